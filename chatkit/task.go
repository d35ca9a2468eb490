package chatkit

import (
	"encoding/json"
	"fmt"
)

// The types of a task.
const (
	TaskCustom    = "custom"
	TaskWebSearch = "web_search"
	TaskThought   = "thought"
	TaskFile      = "file"
	TaskImage     = "image"
)

// The status indicators of a task.
const (
	IndicatorNone     = "none"
	IndicatorLoading  = "loading"
	IndicatorComplete = "complete"
)

// Task is one step of a workflow, told apart by Type: custom{title?, icon?,
// content?}, web_search{title?, title_query?, queries, sources (urls)},
// thought{title?, content}, file{title?, sources (files)}, image{title?}.
type Task struct {
	Type            string
	StatusIndicator string // see [IndicatorNone]; empty means none
	Title           string
	Icon            string
	Content         string
	TitleQuery      string
	Queries         []string
	Sources         []Source
}

// taskBase is what every task has on the wire.
type taskBase struct {
	StatusIndicator string `json:"status_indicator"`
	Title           string `json:"title,omitempty"`
}

// MarshalJSON writes the fields that the task's type has.
func (t Task) MarshalJSON() ([]byte, error) {
	base := taskBase{t.StatusIndicator, t.Title}
	if base.StatusIndicator == "" {
		base.StatusIndicator = IndicatorNone
	}
	err := oneOf("a task's status_indicator", base.StatusIndicator, IndicatorNone, IndicatorLoading, IndicatorComplete)
	if err != nil {
		return nil, err
	}
	switch t.Type {
	case TaskCustom:
		if err := checkIcon(t.Icon); err != nil {
			return nil, err
		}
		return typed(t.Type, struct {
			taskBase
			Icon    string `json:"icon,omitempty"`
			Content string `json:"content,omitempty"`
		}{base, t.Icon, t.Content})
	case TaskWebSearch:
		if err := onlySources(t.Sources, SourceURL); err != nil {
			return nil, err
		}
		return typed(t.Type, struct {
			taskBase
			TitleQuery string   `json:"title_query,omitempty"`
			Queries    []string `json:"queries"`
			Sources    []Source `json:"sources"`
		}{base, t.TitleQuery, orEmpty(t.Queries), orEmpty(t.Sources)})
	case TaskThought:
		return typed(t.Type, struct {
			taskBase
			Content string `json:"content"`
		}{base, t.Content})
	case TaskFile:
		if err := onlySources(t.Sources, SourceFile); err != nil {
			return nil, err
		}
		return typed(t.Type, struct {
			taskBase
			Sources []Source `json:"sources"`
		}{base, orEmpty(t.Sources)})
	case TaskImage:
		return typed(t.Type, base)
	}
	return nil, fmt.Errorf("chatkit: unknown task type %q", t.Type)
}

// UnmarshalJSON reads a task of any type.
func (t *Task) UnmarshalJSON(raw []byte) error {
	var v struct {
		Type string `json:"type"`
		taskBase
		Icon       string   `json:"icon"`
		Content    string   `json:"content"`
		TitleQuery string   `json:"title_query"`
		Queries    []string `json:"queries"`
		Sources    []Source `json:"sources"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	out := Task{Type: v.Type, StatusIndicator: v.StatusIndicator, Title: v.Title}
	if out.StatusIndicator == "" {
		out.StatusIndicator = IndicatorNone
	}
	switch v.Type {
	case TaskCustom:
		out.Icon, out.Content = v.Icon, v.Content
	case TaskWebSearch:
		out.TitleQuery, out.Queries, out.Sources = v.TitleQuery, orEmpty(v.Queries), orEmpty(v.Sources)
	case TaskThought:
		out.Content = v.Content
	case TaskFile:
		out.Sources = orEmpty(v.Sources)
	case TaskImage:
	default:
		return fmt.Errorf("chatkit: unknown task type %q", v.Type)
	}
	*t = out
	return nil
}

// onlySources returns an error unless every source is of this type.
func onlySources(sources []Source, kind string) error {
	for _, s := range sources {
		if err := oneOf("the source of a task", s.Type, kind); err != nil {
			return err
		}
	}
	return nil
}
