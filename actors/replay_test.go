package actors

import (
	"bytes"
	"testing"

	"github.com/chatkitd/chatkitd"
)

// The calls of tools stand between the items of a thread, and count for none.
func TestThreadReplayFindsEveryItem(t *testing.T) {
	r := ThreadReplay{state: *foldThread(conversation(3))}
	items := r.Items()
	for i, id := range []chatkitd.ItemID{"u1", "a1", "u2", "a2", "u3", "a3"} {
		if got, ok := r.Item(id); !ok || !bytes.Equal(got, items[i]) {
			t.Errorf("Item(%s) = %s, %t, want %s", id, got, ok, items[i])
		}
	}
	if got, ok := r.Item("u4"); ok {
		t.Errorf("an item that is not there is %s", got)
	}
}
