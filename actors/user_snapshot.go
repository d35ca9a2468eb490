package actors

import (
	"encoding/json"
	"time"

	"github.com/chatkitd/chatkitd"
)

var userSchema = schemaOf[userSnapshot]()

// snapshot returns s for keeping.
func (s *userState) snapshot() ([]byte, error) {
	snap := userSnapshot{Tasks: make([]chatkitd.Task, 0, len(s.tasks)), Keys: make([]keySnapshot, 0, len(s.keys.order))}
	for _, t := range s.tasks {
		snap.Tasks = append(snap.Tasks, *t)
	}
	for _, key := range s.keys.order {
		use := s.keys.byKey[key]
		snap.Keys = append(snap.Keys, keySnapshot{
			Key: key, Fingerprint: use.fingerprint, At: use.at.UnixNano(), Task: use.result.Task,
			Revision: use.result.Receipt.Revision, Position: use.result.Receipt.Position,
		})
	}
	for _, key := range s.voids.order {
		snap.Voids = append(snap.Voids, voidSnapshot{Key: key, At: s.voids.byKey[key].at.UnixNano()})
	}
	return json.Marshal(snap)
}

// restore makes s what snapshot had seen.
func (s *userState) restore(data []byte) error {
	var snap userSnapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		return err
	}
	*s = userState{tasks: make(map[chatkitd.TaskID]*chatkitd.Task, len(snap.Tasks))}
	for i := range snap.Tasks {
		s.tasks[snap.Tasks[i].ID] = &snap.Tasks[i]
	}
	for _, k := range snap.Keys {
		s.keys.remember(k.Key, keyUse[chatkitd.TaskResult]{
			fingerprint: k.Fingerprint, at: time.Unix(0, k.At).UTC(),
			result: chatkitd.TaskResult{Task: k.Task, Changed: true, Receipt: chatkitd.Receipt{Revision: k.Revision, Position: k.Position}},
		})
	}
	for _, v := range snap.Voids {
		s.voids.remember(v.Key, keyUse[struct{}]{at: time.Unix(0, v.At).UTC()})
	}
	return nil
}
