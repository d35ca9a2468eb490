package offline

import (
	"regexp"
	"strings"
)

// The bounds of what is read from one message.
const (
	maxIntents  = 30
	maxClauses  = 1500 // bytes of a sentence in which more than one wish is looked for
	maxSentence = 3000 // bytes; a longer one is a text that was pasted, and becomes a task with notes
	maxRead     = 8000 // characters; what is longer becomes the notes of one task
)

var (
	bulletRE  = regexp.MustCompile(`^\s*(?:[-*•–—·]|\d{1,3}[.)]|\[[ xX]?\]|☐|- \[[ xX]?\])\s+`)
	headerRE  = regexp.MustCompile(`(?i)^(.*?)(?::|：)\s*$`)
	alwaysRE  = regexp.MustCompile(`(?i),?\s+(?:and then|then also|and also|also|then|after that|and finally|finally|and afterwards|next,)\s+`)
	joinRE    = regexp.MustCompile(`(?i),\s*(?:and\s+|or\s+|plus\s+|&\s*)?|\s+(?:and|plus|&)\s+|;\s*`)
	quoteRE   = regexp.MustCompile(`"[^"]*"|“[^”]*”|«[^»]*»|„[^“”]*[“”]`)
	abbrevRE  = regexp.MustCompile(`(?i)(?:^|\s)(?:[a-z]|dr|mr|mrs|ms|st|no|prof|vs|etc|approx|a\.m|p\.m|e\.g|i\.e)$`)
	politeRE  = regexp.MustCompile(`(?i)^(?:(?:please|pls|plz|hey|hi|hello|ok|okay|so|well|now|and|also|then|but|oh|alright|great|thanks|thank you|yes|yeah|yep|just|kindly|chatkit|assistant|finally|maybe|actually|can you|could you|would you|will you|can we|let'?s|let us|i'?d like you to|i want you to|i would like you to|go ahead and|i'?d like to|i would like to|try to|help me(?: to)?|for me)\b[\s,!.:-]*)+`)
	trailRE   = regexp.MustCompile(`(?i)[\s,]*(?:\b(?:please|pls|plz|thanks|thank you|thx|for me|too|as well|ok|okay)\b[\s,.!]*)+$`)
	phrasalRE = regexp.MustCompile(`(?i)^(?:pick up|drop off|go|come|try|sit down|wash|clean|cut|copy|wait|stop by|log in|back up)$`)
)

// verbs are the verbs that begin a thing to do. They decide whether "and" joins
// two tasks or two words of one, and whether bare words are a task.
var verbs = set(`answer apply arrange ask assemble attend back bake bathe bike bill book borrow bring brush build burn buy bury call cancel
carry cash catch change charge check choose clean clear climb collect compare complete confirm contact cook copy cut dance debug decide declutter
defrost deliver deploy deposit descale design dig discuss disinfect dispose do donate download draft draw drive drop dry dust eat edit email enrol enroll
exchange exercise explain export extend feed fetch file fill finalise finalize find finish fix fold follow forward freeze fry get give go grab
groom hang harvest help hire host hoover install interview invest invite invoice iron join jog jump keep kiss knit label launch learn leave lend
lock lubricate mail make measure meditate meet mend merge message mop move mow negotiate notify open oil order organise organize pack paint park pay peel phone photograph
pick plan plant play polish post practice practise prepare present print process proofread prune publish pull purchase push put read
rebook recharge recycle refactor refill register release rent repair reply replace report research reserve respond restart restock return
review rewrite ring roast rsvp run save scan schedule scrub sell send service set sew sharpen shave ship shop sign sing skype sleep sort speak spend
start stop store stretch study submit subscribe sweep swim swap switch take talk tape tax teach tell test text thank throw tidy train transfer translate
travel treat trim try tune turn type unpack unsubscribe update upgrade upload vacuum visit vote wait wake walk wash watch water wax weed weigh
whisk wipe withdraw work wrap write zip`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// beginsLikeTask reports whether s begins with a verb of a to-do.
func beginsLikeTask(s string) bool {
	return verbs[strings.ToLower(firstWord(s))] && strings.ContainsAny(strings.TrimSpace(s), " ")
}

func firstWord(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, " \t,.;:!?"); i >= 0 {
		return s[:i]
	}
	return s
}

// line is one line of a message. Item says that it was marked as one of a list.
type line struct {
	text string
	item bool
}

// lines splits a message. A line that only announces a list ("Add these:") is
// put before each line below it.
func lines(s string) (out []line, header string) {
	for _, l := range strings.Split(s, "\n") {
		l = strings.TrimSpace(l)
		if l == "" {
			continue
		}
		marked := bulletRE.ReplaceAllString(l, "")
		item := marked != l
		if m := headerRE.FindStringSubmatch(l); m != nil && !item && len(out) == 0 {
			header = m[1]
			continue
		}
		out = append(out, line{strings.TrimSpace(marked), item})
	}
	return out, header
}

// sentences splits a line at full stops, question and exclamation marks, outside
// of quotes and not behind an abbreviation.
func sentences(s string) []string {
	quotes := quoteRE.FindAllStringIndex(s, -1)
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '.' && c != '!' && c != '?' || i+1 < len(s) && s[i+1] != ' ' || inside(quotes, i) {
			continue
		}
		if c == '.' && abbrevRE.MatchString(s[max(start, i-8):i]) {
			continue
		}
		out = append(out, strings.TrimSpace(s[start:i+1]))
		start = i + 1
	}
	if rest := strings.TrimSpace(s[start:]); rest != "" {
		out = append(out, rest)
	}
	return out
}

func inside(spans [][]int, i int) bool {
	for _, q := range spans {
		if i > q[0] && i < q[1]-1 {
			return true
		}
	}
	return false
}

// clauses splits a sentence into wishes. In adding, what begins like a to-do is
// one of its own; and bare nouns in a row are one each.
func clauses(s string, adding bool) []string {
	if len(s) > maxClauses {
		return []string{s}
	}
	if m := notesRE.FindStringIndex(s); m != nil && m[0] > 0 && !isUpdateOfAdd(strip(s)) && !setNoteRE.MatchString(strip(s)) {
		out := clauses(s[:m[0]], adding) // notes may hold anything
		if len(out) > 0 {
			out[len(out)-1] += s[m[0]:]
			return out
		}
	}
	quotes := quoteRE.FindAllStringIndex(s, -1)
	var out []string
	for _, piece := range cutAt(s, alwaysRE.FindAllStringIndex(s, -1), quotes, func(_, right string) bool { return right != "" }) {
		out = append(out, split(piece, adding)...)
	}
	return out
}

func split(s string, adding bool) []string {
	quotes := quoteRE.FindAllStringIndex(s, -1)
	joins := joinRE.FindAllStringIndex(s, -1)
	head := strip(s)
	var body string
	if m := addBody(head); m != "" {
		adding, body = true, m
	} else if adding || beginsLikeTask(head) && !isCommand(head) {
		adding, body = true, head
	}
	if adding && body != "" && !beginsLikeTask(body) && len(joins) > 0 && nounList(body) {
		return cutAt(s, joins, quotes, func(_, right string) bool { return right != "" })
	}
	return cutAt(s, joins, quotes, func(left, right string) bool {
		right = strip(right)
		if isCommand(right) {
			return true
		}
		left = strip(left)
		if m := addBody(left); m != "" {
			left = m
		}
		return adding && beginsLikeTask(right) && strings.Contains(left, " ") && !phrasalRE.MatchString(left)
	})
}

// nounList reports whether s is a row of short things without a verb, with a
// comma: "milk, eggs and bread".
func nounList(s string) bool {
	if !strings.Contains(s, ",") {
		return false
	}
	for _, part := range joinRE.Split(s, -1) {
		if n := len(strings.Fields(part)); n > 4 {
			return false
		}
	}
	return true
}

// cutAt cuts s at those places where ok agrees with what stands on both sides.
func cutAt(s string, places, quotes [][]int, ok func(left, right string) bool) []string {
	var out []string
	start := 0
	for i, at := range places {
		if at[0] < start || inside(quotes, at[0]) {
			continue
		}
		end := len(s)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		left := strings.TrimSpace(s[start:at[0]])
		if left != "" && ok(left, strings.TrimSpace(s[at[1]:max(end, at[1])])) {
			out = append(out, left)
			start = at[1]
		}
	}
	if rest := strings.TrimSpace(s[start:]); rest != "" {
		out = append(out, rest)
	}
	return out
}

// strip takes politeness off both ends.
func strip(s string) string {
	s = strings.TrimSpace(s)
	if t := strings.TrimSpace(politeRE.ReplaceAllString(s, "")); t != "" {
		s = t
	}
	if t := strings.TrimSpace(trailRE.ReplaceAllString(s, "")); t != "" {
		s = t
	}
	return s
}
