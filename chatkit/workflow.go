package chatkit

// The types of a workflow.
const (
	WorkflowCustom    = "custom"
	WorkflowReasoning = "reasoning"
)

// The status indicators of a task.
const (
	IndicatorNone     = "none"
	IndicatorLoading  = "loading"
	IndicatorComplete = "complete"
)

// Workflow is the visible list of an agent's steps.
type Workflow struct {
	Type     string   `json:"type"`
	Tasks    []Task   `json:"tasks"`
	Summary  *Summary `json:"summary,omitempty"`
	Expanded bool     `json:"expanded"`
}

// Summary is either a title with an optional icon, or a duration in whole
// seconds. A duration of zero is written when Title is empty.
type Summary struct {
	Title    string
	Icon     string
	Duration int // seconds
}

// The types of a task.
const (
	TaskCustom    = "custom"
	TaskWebSearch = "web_search"
	TaskThought   = "thought"
	TaskFile      = "file"
	TaskImage     = "image"
)

// Task is one step of a workflow, told apart by Type: custom{title?, icon?,
// content?}, web_search{title?, title_query?, queries, sources},
// thought{title?, content}, file{title?, sources}, image{title?}.
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
