package openai

import (
	"encoding/json"
	"slices"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
)

// replay returns the calls of an answer in its order, and its items as they go
// back to the provider in the next round.
//
// Nothing is stored there, so a thought can go back only if it carries itself,
// encrypted. One that does not is left out, and then the other items lose their
// ids, by which the provider would look for the thought that belongs to them.
func (d *decoder) replay() (calls []agent.Call, output []json.RawMessage) {
	order := slices.Clone(d.slots)
	slices.SortStableFunc(order, func(a, b *slot) int { return a.index - b.index })
	complete := true
	for _, sl := range order {
		switch sl.kind {
		case "function_call":
			if !sl.done && sl.call.Name != "" && sl.args.Len() > 0 {
				sl.call.Arguments = sl.args.String() // the provider said that the answer is complete
				sl.done = true
			}
			if !sl.done || sl.call.Name == "" {
				continue
			}
			calls = append(calls, sl.call)
			if sl.raw == nil || sl.call.ID == "" {
				complete = false
			}
		case "reasoning":
			if gjson.GetBytes(sl.raw, "encrypted_content").Str == "" {
				complete = false
			}
		}
	}
	if len(calls) == 0 {
		return nil, nil // nothing goes back
	}
	for i := range calls {
		if calls[i].ID == "" {
			calls[i].ID = chatkitd.NewID(chatkitd.PrefixToolUse)
		}
	}
	n := 0
	for _, sl := range order {
		switch sl.kind {
		case "message", "reasoning", "function_call":
		default:
			continue // what the provider did by itself cannot go back unless it was stored
		}
		if sl.kind == "function_call" && (sl.done && sl.call.Name != "") {
			if sl.raw == nil || sl.call.ID == "" {
				sl.raw, _ = json.Marshal(inputCall{"function_call", calls[n].ID, calls[n].Name, calls[n].Arguments}) // plain texts
			}
			n++
		}
		raw := sl.raw
		switch {
		case raw == nil || sl.kind == "reasoning" && gjson.GetBytes(raw, "encrypted_content").Str == "":
			continue
		case !complete:
			if stripped, err := sjson.DeleteBytes(slices.Clone(raw), "id"); err == nil {
				raw = stripped
			}
		}
		output = append(output, raw)
	}
	return calls, output
}
