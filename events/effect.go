package events

// EffectVoided says that the command with this idempotency key has not been
// carried out and will not be any more: whoever comes with it is refused. It ends
// the doubt about a tool call whose process is not heard of.
type EffectVoided struct {
	Key string `json:"key"`
}

func (EffectVoided) event() {}

func (EffectVoided) user() {}
