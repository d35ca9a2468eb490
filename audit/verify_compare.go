package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// rowHash is the hash of one row.
type rowHash [16]byte

func hashRow(table, key string, row []byte, item string) (h rowHash) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\x00%s\x00%s\x00%s", table, key, row, item)
	copy(h[:], sum.Sum(nil))
	return h
}

func (h *rowHash) mix(other rowHash) {
	for i := range h {
		h[i] ^= other[i]
	}
}

// compare looks at every row of the read models.
func (v *verifier) compare(ctx context.Context, models ReadModels) error {
	for _, name := range []string{modelTasks, modelThreads, modelItems} {
		at, ok := v.models.at[name]
		if !ok {
			continue
		}
		r := ModelReport{Name: name, Position: at, Behind: at.Compare(v.report.Head) < 0}
		if err := v.compareModel(ctx, models, &r); err != nil {
			return fmt.Errorf("read model %s: %w", name, err)
		}
		v.report.Models = append(v.report.Models, r)
	}
	return nil
}

func (v *verifier) compareModel(ctx context.Context, models ReadModels, r *ModelReport) error {
	left := map[rowKey]wanted{}
	var got, want rowHash
	err := v.models.want(r.Name, func(k rowKey, w wanted) error {
		left[k] = w
		r.Want++
		want.mix(hashRow(k.table, k.key, w.row, w.item))
		return nil
	})
	if err != nil {
		return err
	}
	r.Equal = true
	differ := func(k rowKey, what string, want, got json.RawMessage) {
		r.Equal = false
		v.report.Add(Finding{Check: CheckModels, What: what, Table: k.table, Key: k.key, Want: want, Got: got})
	}
	err = models.Each(ctx, r.Name, func(table, key string, row json.RawMessage, item []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Rows++
		k, sum := rowKey{table, key}, ""
		if item != nil {
			sum = sumOf(item)
		}
		got.mix(hashRow(table, key, row, sum))
		w, ok := left[k]
		delete(left, k)
		switch {
		case !ok:
			differ(k, "the log does not ask for this row", nil, bytes.Clone(withItem(row, item)))
		case !bytes.Equal(row, w.row) || sum != w.item:
			should, err := v.wantItem(ctx, k, w)
			if err != nil {
				return err
			}
			differ(k, "the row is not as the log says", should, bytes.Clone(withItem(row, item)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	missing := make([]rowKey, 0, len(left))
	for k := range left {
		missing = append(missing, k)
	}
	slices.SortFunc(missing, func(a, b rowKey) int { return strings.Compare(a.table+" "+a.key, b.table+" "+b.key) })
	for _, k := range missing {
		should, err := v.wantItem(ctx, k, left[k])
		if err != nil {
			return err
		}
		differ(k, "the row is missing", should, nil)
	}
	r.Hash, r.WantHash = hex.EncodeToString(got[:]), hex.EncodeToString(want[:])
	return nil
}

// withItem is a row with its item, for eyes.
func withItem(row json.RawMessage, item []byte) json.RawMessage {
	if item == nil || len(row) < 2 {
		return row
	}
	if !json.Valid(item) {
		item, _ = json.Marshal(string(item)) // a string always encodes
	}
	return fmt.Appendf(nil, `%s,"item":%s}`, row[:len(row)-1], item)
}

// wantItem is a wanted row with its item, which it reads from the log again.
func (v *verifier) wantItem(ctx context.Context, k rowKey, w wanted) (json.RawMessage, error) {
	if w.item == "" || len(v.report.Findings) == maxFindings {
		return w.row, nil
	}
	thread, _, _ := strings.Cut(k.key, " ")
	rec, ok, err := one(v.a.store.ReadStream(ctx, events.ThreadStream(chatkitd.ThreadID(thread)), events.StreamRead{From: w.at, Limit: 1}))
	if err != nil || !ok {
		return w.row, public(err)
	}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		return w.row, nil //nolint:nilerr // it was found to be so already
	}
	switch ev := ev.(type) {
	case events.ItemAdded:
		return withItem(w.row, ev.Item), nil
	case events.ItemReplaced:
		return withItem(w.row, ev.Item), nil
	default:
		return w.row, nil
	}
}
