package chatkit

import "encoding/json"

// The types of a workflow.
const (
	WorkflowCustom    = "custom"
	WorkflowReasoning = "reasoning"
)

// Workflow is the visible list of an agent's steps.
type Workflow struct {
	Type     string   `json:"type"`
	Tasks    []Task   `json:"tasks"`
	Summary  *Summary `json:"summary,omitempty"`
	Expanded bool     `json:"expanded"`
}

// MarshalJSON writes an empty list of tasks as [].
func (w Workflow) MarshalJSON() ([]byte, error) {
	if err := oneOf("a workflow's type", w.Type, WorkflowCustom, WorkflowReasoning); err != nil {
		return nil, err
	}
	type plain Workflow
	w.Tasks = orEmpty(w.Tasks)
	return marshal(plain(w))
}

// UnmarshalJSON reads a missing list of tasks as an empty one.
func (w *Workflow) UnmarshalJSON(raw []byte) error {
	type plain Workflow
	var v plain
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	v.Tasks = orEmpty(v.Tasks)
	*w = Workflow(v)
	return nil
}

// Summary is either a title with an optional icon, or a duration in whole
// seconds. A duration of zero is written when Title is empty.
type Summary struct {
	Title    string
	Icon     string
	Duration int // seconds
}

// MarshalJSON writes the title and icon, or else the duration.
func (s Summary) MarshalJSON() ([]byte, error) {
	if s.Title == "" {
		return marshal(struct {
			Duration int `json:"duration"`
		}{s.Duration})
	}
	if err := checkIcon(s.Icon); err != nil {
		return nil, err
	}
	return marshal(struct {
		Title string `json:"title"`
		Icon  string `json:"icon,omitempty"`
	}{s.Title, s.Icon})
}

// UnmarshalJSON reads either form; of both at once the title wins.
func (s *Summary) UnmarshalJSON(raw []byte) error {
	var v struct {
		Title    string `json:"title"`
		Icon     string `json:"icon"`
		Duration int    `json:"duration"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	*s = Summary{Duration: v.Duration}
	if v.Title != "" {
		*s = Summary{Title: v.Title, Icon: v.Icon}
	}
	return nil
}
