package chatkit

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The codes of an [ErrorEvent].
const (
	ErrorStream = "stream.error" // the client shows its own text
	ErrorCustom = "custom"       // the client shows Message
)

// The levels of a [Notice].
const (
	LevelInfo    = "info"
	LevelWarning = "warning"
	LevelDanger  = "danger"
)

// errNoItem is the refusal to encode an event about an item that is not there.
var errNoItem = errors.New("chatkit: an event without its item")

// MarshalJSON writes the type.
func (e ThreadCreated) MarshalJSON() ([]byte, error) {
	type plain ThreadCreated
	return typed(e.EventType(), plain(e))
}

// MarshalJSON writes the type.
func (e ThreadUpdated) MarshalJSON() ([]byte, error) {
	type plain ThreadUpdated
	return typed(e.EventType(), plain(e))
}

// itemEvent is an event that carries a whole item.
type itemEvent struct {
	Item Item `json:"item"`
}

func (e itemEvent) encode(kind string) ([]byte, error) {
	if e.Item == nil {
		return nil, errNoItem
	}
	return typed(kind, e)
}

func decodeItemEvent(raw []byte) (Item, error) {
	var v struct {
		Item json.RawMessage `json:"item"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	if v.Item == nil {
		return nil, errNoItem
	}
	return DecodeItem(v.Item)
}

// MarshalJSON writes the type.
func (e ItemAdded) MarshalJSON() ([]byte, error) { return itemEvent(e).encode(e.EventType()) }

// UnmarshalJSON reads the item by its type.
func (e *ItemAdded) UnmarshalJSON(raw []byte) (err error) {
	e.Item, err = decodeItemEvent(raw)
	return err
}

// MarshalJSON writes the type.
func (e ItemDone) MarshalJSON() ([]byte, error) { return itemEvent(e).encode(e.EventType()) }

// UnmarshalJSON reads the item by its type.
func (e *ItemDone) UnmarshalJSON(raw []byte) (err error) {
	e.Item, err = decodeItemEvent(raw)
	return err
}

// MarshalJSON writes the type.
func (e ItemReplaced) MarshalJSON() ([]byte, error) { return itemEvent(e).encode(e.EventType()) }

// UnmarshalJSON reads the item by its type.
func (e *ItemReplaced) UnmarshalJSON(raw []byte) (err error) {
	e.Item, err = decodeItemEvent(raw)
	return err
}

// MarshalJSON writes the type.
func (e ItemUpdated) MarshalJSON() ([]byte, error) {
	type plain ItemUpdated
	if e.Update == nil {
		return nil, errors.New("chatkit: an item is updated without an update")
	}
	return typed(e.EventType(), plain(e))
}

// UnmarshalJSON reads the update by its type.
func (e *ItemUpdated) UnmarshalJSON(raw []byte) error {
	var v struct {
		ItemID string          `json:"item_id"`
		Update json.RawMessage `json:"update"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	up, err := decodeUpdate(v.Update)
	if err != nil {
		return err
	}
	*e = ItemUpdated{ItemID: v.ItemID, Update: up}
	return nil
}

// MarshalJSON writes the type.
func (e ItemRemoved) MarshalJSON() ([]byte, error) {
	type plain ItemRemoved
	return typed(e.EventType(), plain(e))
}

// streamOptions is [StreamOptions] on the wire.
type streamOptions struct {
	Options struct {
		AllowCancel bool `json:"allow_cancel"`
	} `json:"stream_options"`
}

// MarshalJSON writes the type, and the options one level down.
func (e StreamOptions) MarshalJSON() ([]byte, error) {
	var v streamOptions
	v.Options.AllowCancel = e.AllowCancel
	return typed(e.EventType(), v)
}

// UnmarshalJSON reads the options from one level down.
func (e *StreamOptions) UnmarshalJSON(raw []byte) error {
	v, err := decode[streamOptions](raw)
	if err != nil {
		return err
	}
	e.AllowCancel = v.Options.AllowCancel
	return nil
}

// MarshalJSON writes the type.
func (e ProgressUpdate) MarshalJSON() ([]byte, error) {
	type plain ProgressUpdate
	if err := checkIcon(e.Icon); err != nil {
		return nil, err
	}
	return typed(e.EventType(), plain(e))
}

// MarshalJSON writes the type, and no data as {}.
func (e ClientEffect) MarshalJSON() ([]byte, error) {
	type plain ClientEffect
	data, err := object("a client effect's data", e.Data)
	if err != nil {
		return nil, err
	}
	e.Data = data
	return typed(e.EventType(), plain(e))
}

// UnmarshalJSON reads missing data as {}.
func (e *ClientEffect) UnmarshalJSON(raw []byte) error {
	type plain ClientEffect
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.Data = present(v.Data, "{}")
	*e = ClientEffect(v)
	return nil
}

// MarshalJSON writes the type, and no code as "custom".
func (e ErrorEvent) MarshalJSON() ([]byte, error) {
	type plain ErrorEvent
	if e.Code == "" {
		e.Code = ErrorCustom
	}
	if err := oneOf("an error's code", e.Code, ErrorStream, ErrorCustom); err != nil {
		return nil, err
	}
	return typed(e.EventType(), plain(e))
}

// UnmarshalJSON reads a missing code as "custom".
func (e *ErrorEvent) UnmarshalJSON(raw []byte) error {
	type plain ErrorEvent
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	if v.Code == "" {
		v.Code = ErrorCustom
	}
	*e = ErrorEvent(v)
	return nil
}

// MarshalJSON writes the type.
func (e Notice) MarshalJSON() ([]byte, error) {
	type plain Notice
	if err := oneOf("a notice's level", e.Level, LevelInfo, LevelWarning, LevelDanger); err != nil {
		return nil, err
	}
	return typed(e.EventType(), plain(e))
}

// DecodeEvent reads an event of any type. What [EncodeEvent] wrote comes back as
// it was, with times in UTC and empty lists in the place of nil.
func DecodeEvent(raw []byte) (Event, error) {
	kind, err := kindOf("event", raw)
	if err != nil {
		return nil, err
	}
	var ev Event
	switch kind {
	case ThreadCreated{}.EventType():
		ev, err = decode[ThreadCreated](raw)
	case ThreadUpdated{}.EventType():
		ev, err = decode[ThreadUpdated](raw)
	case ItemAdded{}.EventType():
		ev, err = decode[ItemAdded](raw)
	case ItemUpdated{}.EventType():
		ev, err = decode[ItemUpdated](raw)
	case ItemDone{}.EventType():
		ev, err = decode[ItemDone](raw)
	case ItemRemoved{}.EventType():
		ev, err = decode[ItemRemoved](raw)
	case ItemReplaced{}.EventType():
		ev, err = decode[ItemReplaced](raw)
	case StreamOptions{}.EventType():
		ev, err = decode[StreamOptions](raw)
	case ProgressUpdate{}.EventType():
		ev, err = decode[ProgressUpdate](raw)
	case ClientEffect{}.EventType():
		ev, err = decode[ClientEffect](raw)
	case ErrorEvent{}.EventType():
		ev, err = decode[ErrorEvent](raw)
	case Notice{}.EventType():
		ev, err = decode[Notice](raw)
	default:
		return nil, fmt.Errorf("chatkit: unknown event type %q", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("chatkit: event %s: %w", kind, err)
	}
	return ev, nil
}
