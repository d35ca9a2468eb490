package tools

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestDetail(t *testing.T) {
	tests := []struct {
		name, args, message string
		want                string
	}{
		{
			AddTask, `{"title":"buy milk","due_at":null,"tags":["home"],"priority":"high"}`, "Added “buy milk”.",
			"```\nadd_task\npriority: high\ntags: [\"home\"]\ntitle: buy milk\n→ Added “buy milk”.\n```",
		},
		{"x", `not json`, "no such tool", "```\nx\n→ no such tool\n```"},
		{AddTask, `{"title":"a\n` + "```" + `\nb"}`, "ok", "```\nadd_task\ntitle: a ''' b\n→ ok\n```"},
	}
	for _, tt := range tests {
		if got := Detail(tt.name, json.RawMessage(tt.args), Output{Message: tt.message}); got != tt.want {
			t.Errorf("Detail(%s)\n got %q\nwant %q", tt.args, got, tt.want)
		}
	}
	if got := Detail(AddTask, json.RawMessage(`{"title":"`+strings.Repeat("x", 10_000)+`"}`), Output{}); len(got) > 500 {
		t.Errorf("a detail of %d bytes", len(got))
	}
}
