package main

import (
	"fmt"
	"io"

	"github.com/chatkitd/chatkitd"
)

// writeRemarks writes what an operator should know of a read model beside the
// table, and what to do about it.
func writeRemarks(out io.Writer, st chatkitd.ProjectionState) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	switch f := st.Failure; {
	case f == nil:
	case f.Type == "":
		say("%s: %s", st.Name, printable(f.Reason))
	case st.State == chatkitd.PhaseFailed:
		say("%s has failed, and stands before %s", st.Name, eventOf(f))
		say("  why:                %s", printable(f.Reason))
		say("  tried:              %d times since %s", f.Attempts, f.Since.Local().Format("2006-01-02 15:04:05"))
		say("  look at the event:  chatkitd events --stream %s --from %s --to %s --json", f.Stream, f.Position, f.Position)
		say("  try again:          chatkitd projections retry %s", st.Name)
		say("  or pass it:         chatkitd projections skip %s %s", st.Name, f.Position)
	default:
		say("%s has trouble with %s and tries again: %s", st.Name, eventOf(f), printable(f.Reason))
	}
	if st.State == chatkitd.PhasePaused {
		say("%s is paused; go on: chatkitd projections resume %s", st.Name, st.Name)
	}
	for _, f := range st.Skipped {
		say("%s has passed %s, as an operator said; a rebuild tries it again", st.Name, eventOf(&f))
	}
	if r := st.Rebuild; r != nil && r.Error != "" {
		what := "the rebuild"
		if rebuildOver(r) {
			what = "the last rebuild"
		}
		say("%s of %s: %s: %s", what, st.Name, r.Phase, printable(r.Error))
	}
}

// eventOf names the event of a failure.
func eventOf(f *chatkitd.ProjectionFailure) string {
	return fmt.Sprintf("%s at %s (revision %d of %s)", f.Type, f.Position, f.Revision, printable(f.Stream))
}
