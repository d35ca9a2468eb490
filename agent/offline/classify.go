package offline

import (
	"regexp"
	"strings"

	"github.com/chatkitd/chatkitd"
)

// The patterns of commands. A clause comes without politeness around it.
var (
	addNounRE = regexp.MustCompile(`(?i)^(?:(?:add|create|make|set up|set|start|open|insert|write|need|give me|put)\s+(?:me\s+)?)?(?:(?:a|an|another|one more|the|these|this|following|some|my|new|two|three|four|five|few)\s+)*((?:(?:urgent|important|high[ -]priority|low[ -]priority|medium[ -]priority)\s+)?)(?:tasks?|to-?dos?|items?|reminders?|things)\b\s*(?:(?:to|on|in) (?:my|the) (?:to-?do |task )?list\s*)?(.*)$`)
	addVerbRE = regexp.MustCompile(`(?i)^(?:add(?: in)?|insert|append|write down|jot down|note down|put down|remember(?: to)?|don'?t (?:let me )?forget(?: to| about)?|do not forget(?: to)?|note(?: to self)?\s*[:：,]|save|capture|add on)\s*(?:another one)?[\s:：-]+(?:that )?(.*)$`)
	putRE     = regexp.MustCompile(`(?i)^put (.+?) (?:on|onto|in|to) (?:my|the) (?:to-?do |task |tasks |shopping )?(?:list|to-?dos|tasks)\b(.*)$`)
	needRE    = regexp.MustCompile(`(?i)^(?:(?:i|we) (?:really |still |also |just )?(?:need|have|want|ought|got|gotta|must|should|would like|am supposed)(?: got)?|i'?ve got|i'?m supposed|i'?ll need|i gotta|gotta|need|must|have)\s+(?:also )?(?:to\s+)?(.+)$`)
	remindRE  = regexp.MustCompile(`(?i)^(?:remind|tell|ping|nudge) me\b(.{0,60}?)\b(?:to|about|of|that)\s+(.+)$`)
	remindMe  = regexp.MustCompile(`(?i)^remind me[\s:]+(.+)$`)

	reopenRE    = regexp.MustCompile(`(?i)^(?:re-?open|un-?complete|uncheck|untick|un-?mark|undo|restore|re-?activate)\s+(.+)$`)
	markOpenRE  = regexp.MustCompile(`(?i)^(?:mark|set|flag|put)\s+(.+?)\s+(?:back )?(?:as |to )?(?:not (?:yet )?(?:done|complete|completed|finished)|undone|incomplete|pending|open|to-?do|unfinished)$`)
	notDoneRE   = regexp.MustCompile(`(?i)^(.+?)\s+(?:is|are|was|were)(?:n'?t| not)\s+(?:actually |really )?(?:yet )?(?:done|complete|completed|finished)(?: yet)?(?: after all)?$`)
	haveNotRE   = regexp.MustCompile(`(?i)^i(?:'m| am| have|'ve|ve| did| was)?(?:n'?t| not| never)\s+(?:actually |really )?(?:yet )?(?:done|finish(?:ed)?|complete(?:d)?|do)(?: with)?\s+(.+?)(?: yet| after all)?$`)
	notDoneWith = regexp.MustCompile(`(?i)^(?:i'?m |i am )?not (?:yet )?(?:done|finished)(?: yet)? with\s+(.+?)(?: yet)?$`)

	markRE     = regexp.MustCompile(`(?i)^(?:mark|set|flag|check|tick|cross|strike|move|put)\s+(?:off\s+)?(.+?)\s+(?:(?:as |to )?(?:done|complete|completed|finished)|off(?: (?:my|the) list)?|out)$`)
	tickRE     = regexp.MustCompile(`(?i)^(?:complete|finish|tick(?: off)?|check(?: off)|cross(?: off| out)?|strike(?: off| out)|close|mark off|accomplish|done:?|finished:?|completed:?)\s+(?:with\s+)?(.+)$`)
	doneWithRE = regexp.MustCompile(`(?i)^(?:(?:i|we)(?:'m| am|'ve|ve| have|'re| are)?\s+)?(?:(?:all|just|already|now|finally|also)\s+)*(?:done|finished|completed|through|ready|did|finish|dealt|took care of|taken care of|am done)(?:\s+(?:with|doing))?\s+(.+)$`)
	isDoneRE   = regexp.MustCompile(`(?i)^(.+?)(?:\s+(?:is|are|was|were|has been|have been|got|'s)|'s)?\s+(?:(?:all|now|already|finally)\s+)*(?:done|complete|completed|finished|taken care of|✓|✅)(?: now| already)?$`)
	didRE      = regexp.MustCompile(`(?i)^(?:i|we)(?:'ve|ve| have)?\s+(?:(?:just|already|finally|also|now)\s+)*([a-z]+)\s+(.+)$`)

	deleteRE = regexp.MustCompile(`(?i)^(?:delete|remove|erase|scrap|discard|get rid of|throw (?:away|out)|forget(?: about)?|never ?mind(?: about)?|kill|trash|bin|take off|drop the|cancel the task|cancel task|i (?:don'?t|no longer) (?:need|have|want) (?:to )?(?:do )?|no need to)\s+(.+)$`)
	clearRE  = regexp.MustCompile(`(?i)^(?:clear|empty|wipe|purge|clean up|clean out|reset)(?: out| up)?\s+((?:all|everything|my|the|every|completed|done|finished|it)\b.*)$`)
	takeRE   = regexp.MustCompile(`(?i)^take (.+?) off(?: (?:of )?(?:my|the) list)?$`)

	addNoteRE  = regexp.MustCompile(`(?i)^(?:add|attach|put|write|set)\s+(?:a |the )?(?:note|description|details?|comment)s?\s+(?:to|on|for|of)\s+(.+?)\s*(?:[:：]| saying | that says | to say | - )\s*(.+)$`)
	setNoteRE  = regexp.MustCompile(`(?i)^(?:(?:set|change|update|make|edit)\s+)?(?:the )?(?:note|description|details?)s?\s+(?:to|on|for|of)\s+(.+?)\s*(?:[:：]| to | as | is | should be )\s*(.+)$`)
	describeRE = regexp.MustCompile(`(?i)^describe\s+(.+?)\s+as\s+(.+)$`)
	addTagRE   = regexp.MustCompile(`(?i)^(?:add|put|attach|set|give)\s+(?:the )?(?:tags?|labels?)?\s*((?:#[\p{L}\p{N}_-]+[\s,]*(?:and\s+)?)+)\s*(?:to|on|for)\s+(.+)$`)
	addTag2RE  = regexp.MustCompile(`(?i)^(?:add|put|attach|set)\s+(?:the |a )?(?:tag|label)\s+#?([\p{L}\p{N}_-]+)\s+(?:to|on|for)\s+(.+)$`)
	tagRefRE   = regexp.MustCompile(`(?i)^(?:tag|label)\s+(.+?)\s+(?:with|as|by|:)?\s*((?:#?[\p{L}\p{N}_-]+)(?:(?:\s*,\s*|\s+and\s+|\s+)#[\p{L}\p{N}_-]+)*)$`)
	dropTagRE  = regexp.MustCompile(`(?i)^(?:remove|delete|drop|clear|take)\s+(?:the )?(?:(?:tags?|labels?)\s+)?#([\p{L}\p{N}_-]+)\s+(?:tag\s+|label\s+)?(?:from|off|of)\s+(.+)$`)
	untagRE    = regexp.MustCompile(`(?i)^(?:untag\s+(.+)|(?:remove|clear|delete)\s+(?:the |all )*(?:tags?|labels?)\s+(?:from|of|on)\s+(.+))$`)
	clearRE2   = regexp.MustCompile(`(?i)^(?:remove|clear|delete|drop|unset)\s+(?:the )?(due date|date|deadline|due|time|priority|note|notes|description|details)\s+(?:from|of|on|for)\s+(.+)$`)
	noDueRE    = regexp.MustCompile(`(?i)^(.+?)\s+(?:has|needs|should have)\s+no\s+(?:due date|deadline|date)$`)
	renameRE   = regexp.MustCompile(`(?i)^(?:rename|retitle|reword|change the (?:name|title) of)\s+(.+?)\s+(?:to|into|as|=>|->)\s+(.+)$`)
	changeRE   = regexp.MustCompile(`(?i)^(?:change|edit|replace|turn|correct|update|swap)\s+(.+?)\s+(?:to|into|with|for)\s+(.+)$`)
	moveRE     = regexp.MustCompile(`(?i)^(?:move|postpone|reschedule|push|delay|defer|shift|snooze|bring forward|put off|push back|pull forward|set|change|make|update|schedule)\s+(?:back\s+)?(?:(?:the )?(?:due date|due|date|deadline|time)\s+(?:of|for|on)\s+)?(.+)$`)
	shiftRE    = regexp.MustCompile(`(?i)^(?:move|postpone|reschedule|push|delay|defer|shift|snooze|put off|push back)\s+(?:back\s+)?(.+?)\s+(?:back\s+|forward\s+)?(?:by|for)\s+(?:another\s+)?(` + numberWords + `)\s+(minute|hour|day|week|month)s?$`)
	dueRE      = regexp.MustCompile(`(?i)^(.+?)\s+(?:is|should be|must be|becomes?)\s+(?:now\s+)?due\s+(.+)$|^(.+?)\s+due\s+(?:on|by|at)?\s*(.+)$`)
	setPrioRE  = regexp.MustCompile(`(?i)^(?:set|change|raise|lower|make|give|increase|decrease)\s+(?:the )?priority\s+(?:of|for|on)\s+(.+?)\s+(?:to|as|is)\s+(high|low|medium|normal|urgent)$`)
	makePrioRE = regexp.MustCompile(`(?i)^(?:(?:make|mark|set|flag|give|change|put|move|update)\s+)?(.+?)\s+(?:is|are|as|to|a|has|at)?\s*(?:now\s+|really\s+|very\s+|super\s+|a\s+)?(urgent|important|critical|unimportant|high[ -]prio(?:rity)?|low[ -]prio(?:rity)?|medium[ -]prio(?:rity)?|normal prio(?:rity)?|high|low|medium|top priority)(?: now)?$`)
	prioriseRE = regexp.MustCompile(`(?i)^(prioriti[sz]e|deprioriti[sz]e)\s+(.+)$`)

	findRE  = regexp.MustCompile(`(?i)^(?:find|search(?: for)?|look (?:for|up)|where is|is there|do i have)\s+(?:me\s+)?(?:(?:a|an|any|all|the|my)\s+)*(?:(?:tasks?|to-?dos?|items?|anything|something)\s*)?(?:(?:about|for|with|called|named|containing|on|to|mentioning)\s+)?(.+)$`)
	listRE  = regexp.MustCompile(`(?i)^(?:list|show|display|view|see|print|what|what's|whats|which|how many|count|anything|do i have|have i|did i|is there|are there|any|give me|tell me|read|summari[sz]e|overview|remind me what|my|all|everything|tasks?|to-?dos?|open|pending|completed|overdue|today|tomorrow|next|check|go through|done|who)\b.*$`)
	nextRE  = regexp.MustCompile(`(?i)^what(?:'s| is| should i do| shall i do| do i do| to do)? ?(?:my |the )?(?:next|first)(?: (?:task|one|thing|up|to do))?$|^next(?: task)?$|^what should i (?:do|work on)(?: next| first| now)?$`)
	greetRE = regexp.MustCompile(`(?i)^(?:hi|hello|hey|hiya|howdy|yo|greetings|good (?:morning|afternoon|evening|day)|moin|salut|hallo|hola|how are you(?: doing)?|what'?s up|sup|hey there|hi there|hello there)(?: (?:there|everyone|chatkit|bot|assistant|again|you|all))*$`)
	thankRE = regexp.MustCompile(`(?i)^(?:(?:ok(?:ay)?|great|cool|perfect|nice|awesome|good|well|wonderful|excellent|super|amazing|lovely)[\s,!.]*)*(?:thanks?(?: you)?|thx|ty|cheers|much appreciated|appreciate it|good job|well done|nice work|great|perfect|cool|awesome|ok(?:ay)?|nice|super|wonderful|excellent|amazing|lovely|good)(?: (?:a lot|so much|very much|you|again|for (?:that|your help|everything|the help)|bot|assistant))*$`)
	byeRE   = regexp.MustCompile(`(?i)^(?:bye(?: bye)?|goodbye|good ?night|see you(?: later| soon| tomorrow)?|cya|ciao|later|that'?s (?:all|it)(?: for (?:now|today))?|nothing(?: else)?)$`)
	helpRE  = regexp.MustCompile(`(?i)^(?:help(?: me)?|\?+|what can (?:you|i) (?:do|say|ask)(?: here| for me)?|how does (?:this|it) work|how do i use (?:this|you|it)|who are you|what are you|commands|examples|instructions|what do you do|/help|how (?:can|do) (?:i|you) .{0,40})$`)
)

// addBody returns the words behind a command to add, or "".
func addBody(s string) string {
	if isUpdateOfAdd(s) {
		return ""
	}
	if m := putRE.FindStringSubmatch(s); m != nil {
		return strings.TrimSpace(m[1] + " " + m[2])
	}
	if m := addNounRE.FindStringSubmatch(s); m != nil && wantsNoun(s, m[2]) {
		return strings.TrimSpace(urgentSuffix(titleLead(m[2]), m[1]))
	}
	if m := addVerbRE.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	if m := remindRE.FindStringSubmatch(s); m != nil {
		return strings.TrimSpace(m[2] + " " + strings.TrimSpace(m[1]))
	}
	if m := remindMe.FindStringSubmatch(s); m != nil && !regexp.MustCompile(`(?i)^(?:what|which|how)\b`).MatchString(m[1]) {
		return m[1]
	}
	if m := needRE.FindStringSubmatch(s); m != nil && !doneRE.MatchString(firstWord(m[1])) && !adverbs[strings.ToLower(firstWord(m[1]))] && !questionRE.MatchString(s) {
		if _, isPast := past[strings.ToLower(firstWord(m[1]))]; !isPast || verbs[strings.ToLower(firstWord(m[1]))] {
			if w := strings.ToLower(firstWord(m[1])); !strings.HasSuffix(w, "ed") || verbs[w] {
				return m[1]
			}
		}
	}
	return ""
}

var (
	questionRE  = regexp.MustCompile(`\?\s*$`)
	nounLeadRE  = regexp.MustCompile(`(?i)^(?:(?:called|named|titled|saying|that says|which says|for|to|about|of|as follows|is|that)\b|[:：–—,-])\s*`)
	nounStartRE = regexp.MustCompile(`(?i)^(?:add|create|make|set|start|insert|write|need|give|put|new|a|an|another|one more|todo|to-do|task|reminder|open)\b`)
)

// wantsNoun tells "task: buy milk" and "new task buy milk" from "tasks" and "to
// do list".
func wantsNoun(s, rest string) bool {
	if strings.TrimSpace(rest) == "" || !nounStartRE.MatchString(s) {
		return false
	}
	w := strings.ToLower(firstWord(s))
	if w == "task" || w == "todo" || w == "to-do" || w == "reminder" || w == "tasks" || w == "todos" || w == "open" || w == "a" || w == "an" {
		return strings.ContainsAny(rest[:1], ":：-–—") || w == "reminder" || w == "todo" && beginsLikeTask(rest)
	}
	return !numberRE.MatchString(strings.TrimSpace("task " + rest))
}

func titleLead(s string) string {
	return settle(s, func(s string) string {
		if t := nounLeadRE.ReplaceAllString(strings.TrimSpace(s), ""); t != "" {
			return t
		}
		return s
	})
}

func urgentSuffix(s, adjective string) string {
	if adjective = strings.TrimSpace(adjective); adjective == "" {
		return s
	}
	if !strings.Contains(strings.ToLower(adjective), "prio") {
		adjective = "high priority"
	}
	return s + ", " + adjective
}

// isUpdateOfAdd reports whether "add …" adds to a task and not a task.
func isUpdateOfAdd(s string) bool {
	return addNoteRE.MatchString(s) || addTagRE.MatchString(s) || addTag2RE.MatchString(s)
}

// adverbs stand in "I have already …", which is no wish.
var adverbs = set("already just finally now never been")

var commandRE = regexp.MustCompile(`(?i)^(?:add|create|delete|remove|complete|mark|reopen|rename|postpone|reschedule|remind me|move|list|show|what|i need to|i have to|i must|i should|i want to|i'm done|i am done|i finished|i bought|i called|i paid|done with|i did|i've|tick off|check off|don't forget|do not forget|remember to|erase|get rid of|uncheck|untick|prioriti[sz]e|untag|tag|new task|put .+ on my|set|clear (?:all|completed|done|my)|finish the|snooze|push|finished|we need to|need to|i also|make .+ (?:urgent|important|priority)|change)\b`)

// isCommand reports whether s begins a wish of its own.
func isCommand(s string) bool { return commandRE.MatchString(s) }

// parse reads everything that is wanted of a message.
func parse(message string, p *dateParser) (out []intent, more bool) {
	message = normalise(message)
	if len([]rune(message)) > maxRead {
		return []intent{{do: add, text: message, details: p.long(message)}}, false
	}
	ls, header := lines(message)
	adding := addHeader(header)
	if header != "" && !adding {
		ls = append([]line{{text: header}}, ls...)
	}
	before := unclear
	if adding {
		before = add
	}
	for _, l := range ls {
		if l.item && before == unclear {
			before = add
		}
		for _, s := range sentences(l.text) {
			if len(s) > maxSentence {
				out, before = append(out, intent{do: add, text: s, details: p.long(s)}), add
				continue
			}
			for _, c := range clauses(s, before == add) {
				if len(out) == maxIntents {
					return out, true
				}
				in := p.classify(c, before)
				if in.do == unclear && strings.Trim(c, " .,!?") == "" {
					continue
				}
				before = in.do
				out = append(out, in)
			}
		}
	}
	return out, false
}

// addHeader reports whether a line such as "Things to do" announces tasks.
func addHeader(h string) bool {
	h = strings.ToLower(strip(h))
	return h != "" && (strings.HasPrefix(h, "add") || strings.Contains(h, "task") || strings.Contains(h, "todo") || strings.Contains(h, "to-do") ||
		strings.Contains(h, "to do") || strings.Contains(h, "remind") || strings.Contains(h, "need") || strings.Contains(h, "list") || strings.Contains(h, "have to"))
}

// long makes one task of a message that is too long to be read word by word.
func (p *dateParser) long(s string) details {
	first, _, _ := strings.Cut(s, "\n")
	first = cutWords(first, 1000)
	if b := addBody(strip(first)); b != "" {
		first = b
	}
	return details{title: cutWords(cleanTitle(first), chatkitd.MaxTaskTitle), notes: s}.fit()
}

var oddRE = strings.NewReplacer("’", "'", "‘", "'", "\u00a0", " ", "\u202f", " ", "\r\n", "\n", "\r", "\n", "\t", " ", "\u2028", "\n", "\u200b", "", "\ufeff", "", "…", "...")

func normalise(s string) string {
	s = strings.ToValidUTF8(oddRE.Replace(s), "")
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}
