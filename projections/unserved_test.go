package projections

import "testing"

func TestUnserved(t *testing.T) {
	t.Parallel()
	failure := &Failure{Reason: "why"}
	for _, tt := range []struct {
		name  string
		model *model
		want  string
	}{
		{"runs", &model{phase: Running, caughtUp: true}, ""},
		{"is behind", &model{phase: Running}, ""},
		{"is paused", &model{phase: Paused}, ""},
		{"has failed at an event, and shows what was before", &model{phase: Failed, failure: failure}, ""},
		{"is built for the first time", &model{phase: Rebuilding}, "projection tasks is being built"},
		{"is damaged", &model{phase: Failed, broken: true, failure: failure}, "projection tasks cannot be read: why"},
	} {
		tt.model.projection = tasks{}
		s := &Service{models: []*model{{projection: threads{}, phase: Running}, tt.model}}
		got := ""
		if err := s.Unserved(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("a projection that %s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
