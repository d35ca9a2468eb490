package chatkit

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// EncodeEvent returns the JSON of an event; see [AppendEvent].
func EncodeEvent(ev Event) ([]byte, error) { return AppendEvent(nil, ev) }

// AppendEvent appends the JSON of an event to dst: one line without a line
// break, its type first. It returns an error, and dst as it was, when a client
// would have to refuse the event: an unknown level, status or icon, a missing
// item, a widget that is none.
//
// A text delta, the event of which a turn has hundreds, is written without
// reflection and without allocating.
func AppendEvent(dst []byte, ev Event) ([]byte, error) {
	if up, ok := ev.(ItemUpdated); ok {
		if delta, ok := up.Update.(TextDelta); ok {
			return appendTextDelta(dst, up.ItemID, delta), nil
		}
	}
	if ev == nil {
		return dst, errors.New("chatkit: no event to encode")
	}
	raw, err := marshal(ev)
	if err != nil {
		return dst, err
	}
	return append(dst, raw...), nil
}

// AppendItemDone appends an [ItemDone] whose item [EncodeItem] has encoded.
func AppendItemDone(dst []byte, item json.RawMessage) []byte {
	dst = append(dst, `{"type":"thread.item.done","item":`...)
	dst = append(dst, item...)
	return append(dst, '}')
}

func appendTextDelta(dst []byte, item string, delta TextDelta) []byte {
	dst = append(dst, `{"type":"thread.item.updated","item_id":`...)
	dst = appendString(dst, item)
	dst = append(dst, `,"update":{"type":"assistant_message.content_part.text_delta","content_index":`...)
	dst = strconv.AppendInt(dst, int64(delta.ContentIndex), 10)
	dst = append(dst, `,"delta":`...)
	dst = appendString(dst, delta.Delta)
	return append(dst, `}}`...)
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string exactly as encoding/json does without
// HTML escapes: control characters and U+2028 and U+2029 (line breaks to older
// JavaScript) are escaped, and each byte that is not UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
