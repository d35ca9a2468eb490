package projections

import "slices"

// held is the rows of one table that a batch is about, by key.
type held[K comparable, R any] map[K]*R

// load returns a row, which fill has read when it is first asked for.
func (h held[K, R]) load(key K, fill func(*R) error) (*R, error) {
	if row, ok := h[key]; ok {
		return row, nil
	}
	row := new(R)
	if err := fill(row); err != nil {
		return nil, err
	}
	h[key] = row
	return row, nil
}

// flush passes the rows that are to be written to put, neighbours after one
// another: they lie on one page.
func (h held[K, R]) flush(dirty func(*R) bool, order func(a, b *R) int, put func(*R) error) error {
	rows := make([]*R, 0, len(h))
	for _, row := range h {
		if dirty(row) {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, order)
	for _, row := range rows {
		if err := put(row); err != nil {
			return err
		}
	}
	return nil
}
