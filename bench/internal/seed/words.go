package seed

import (
	"math/rand/v2"
	"strings"
)

var (
	verbs   = []string{"buy", "call", "write to", "pay", "book", "clean", "fix", "plan", "read", "send", "bring", "ask", "order", "return", "prepare"}
	objects = []string{"milk", "Anna", "the dentist", "the rent", "a table for two", "the kitchen", "the bike", "the trip to Lisbon", "chapter four", "the invoice", "grandma's parcel", "the landlord", "new shoes", "the library books", "the slides for Monday"}
	details = []string{"before lunch", "two bottles, whole", "she is back on Tuesday", "the number is on the fridge", "not more than 40 euros", "ask for the receipt", "take the blue bag along"}
	tags    = []string{"home", "work", "shopping", "family", "urgent", "later", "health", "money"}
	prose   = strings.Fields("I have added it to your list and set it for the day you named so that it shows at the top " +
		"there are two others that are due this week which you may want to look at before the weekend and one of them has " +
		"been waiting since Monday would you like me to move it or is it done already just say so and I will mark it")
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func title(r *rand.Rand) string { return pick(r, verbs) + " " + pick(r, objects) }

// text returns that many words of prose.
func text(r *rand.Rand, words int) string {
	var b strings.Builder
	at := r.IntN(len(prose))
	for i := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(prose[(at+i)%len(prose)])
	}
	b.WriteByte('.')
	return b.String()
}
