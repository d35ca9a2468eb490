package chatkit

// The limits of a page. A client may ask for more; it gets [MaxLimit].
const (
	DefaultLimit = 20
	MaxLimit     = 100
)

// Page is one page of a list. After is the id of the last element and is set
// whenever Data is not empty, also on the last page (seen on the wire of 1.6.5).
type Page[T any] struct {
	Data    []T    `json:"data"`
	HasMore bool   `json:"has_more"`
	After   string `json:"after,omitempty"`
}

// MarshalJSON writes an empty Data as [] and not as null.
func (p Page[T]) MarshalJSON() ([]byte, error) {
	type plain Page[T]
	p.Data = orEmpty(p.Data)
	return marshal(plain(p))
}

// UnmarshalJSON reads a missing Data as an empty one.
func (p *Page[T]) UnmarshalJSON(raw []byte) error {
	type plain Page[T]
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.Data = orEmpty(v.Data)
	*p = Page[T](v)
	return nil
}
