package offline

import (
	"regexp"
	"strings"

	"github.com/chatkitd/chatkitd"
)

var ordinals = map[string]int{
	"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5, "5th": 5, "sixth": 6, "6th": 6,
	"seventh": 7, "7th": 7, "eighth": 8, "8th": 8, "ninth": 9, "9th": 9, "tenth": 10, "10th": 10,
	"last": -1, "final": -1, "latter": -1, "former": 1, "top": 1, "bottom": -1,
}

const (
	ordinalWords = `first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|final|latter|former|top|bottom|\d{1,2}(?:st|nd|rd|th)`
	thing        = `(?:\s+(?:one|ones|task|tasks|item|items|to-?do|to-?dos|thing|things|entry|entries))?`
)

var (
	articleRE  = regexp.MustCompile(`(?i)^(?:(?:the|my|our|a|an|that|this|those|these|with|off|about|to|of)\s+)+`)
	nounHeadRE = regexp.MustCompile(`(?i)^(?:task|to-?do|item|reminder|thing|one)s?\s*(?:(?:called|named|titled|about|to|for|with|:)\s*)*(?:the\s+)?`)
	nounTailRE = regexp.MustCompile(`(?i)[\s,]+(?:(?:task|to-?do|item|one|thing|reminder)s?|(?:from|off|on|in|of) (?:my|the) (?:to-?do |task )?(?:list|tasks)|now|already|today|yet|again|instead|just now|too|as well|please)$`)
	ordinalRE  = regexp.MustCompile(`(?i)^(?:the\s+)?(` + ordinalWords + `)` + thing + `(?:\s+(?:on|of|in|from) (?:my|the) list)?$`)
	numberRE   = regexp.MustCompile(`(?i)^(?:the\s+)?(?:number|no\.?|nr\.?|task|item|#|task number|task #|option)\s*#?\s*(\d{1,2})$|^#?(\d{1,2})$`)
	someRE     = regexp.MustCompile(`(?i)^(?:the\s+)?(first|last|top|final)\s+(\d{1,2}|two|three|four|five|six|seven|eight|nine|ten|couple|few)` + thing + `$`)
	allRE      = regexp.MustCompile(`(?i)^(?:all|everything|every\s+(?:task|item|one|thing)|each\s+(?:task|one)|them all|all of (?:them|these|those|it)|both(?: of them)?|the (?:whole|entire) (?:list|thing)|my (?:whole|entire) list|my list|the list)\b\s*(.*)$`)
	itRE       = regexp.MustCompile(`(?i)^(?:it|that|this|that one|this one|the same|the same one|that task|this task)$`)
	andRE      = regexp.MustCompile(`(?i)\s*,\s*(?:and\s+)?|\s+(?:and|&|plus)\s+`)
)

// past tells the base of an irregular past form; others lose "-ed" or "-ing".
var past = map[string]string{
	"bought": "buy", "paid": "pay", "sent": "send", "made": "make", "did": "do", "wrote": "write", "written": "write", "took": "take", "taken": "take",
	"got": "get", "went": "go", "met": "meet", "read": "read", "fed": "feed", "brought": "bring", "found": "find", "gave": "give", "told": "tell",
	"ran": "run", "sold": "sell", "spoke": "speak", "swept": "sweep", "threw": "throw", "woke": "wake", "drew": "draw", "drove": "drive",
	"ate": "eat", "chose": "choose", "cut": "cut", "put": "put", "set": "set", "built": "build", "hung": "hang", "left": "leave", "rang": "ring", "did the": "do the",
}

// base returns the base form of a verb in past tense or as a gerund, if s begins
// with one that is known.
func base(word string) (string, bool) {
	w := strings.ToLower(word)
	if b, ok := past[w]; ok {
		return b, true
	}
	for _, end := range []string{"ing", "ed", "d"} {
		stem, ok := strings.CutSuffix(w, end)
		if !ok || len(stem) < 2 {
			continue
		}
		tries := []string{stem, stem + "e"}
		if n := len(stem); n > 2 && stem[n-1] == stem[n-2] {
			tries = append(tries, stem[:n-1])
		}
		if y, ok := strings.CutSuffix(stem, "i"); ok {
			tries = append(tries, y+"y")
		}
		for _, t := range tries {
			if verbs[t] {
				return t, true
			}
		}
	}
	return "", false
}

// parseRef reads which tasks are meant.
func (p *dateParser) parseRef(s string) ref {
	s = strings.Trim(strip(s), " .,!?;:")
	if q := unquote(s); q != s {
		return ref{names: []string{q}}
	}
	if r, ok := p.place(s); ok {
		return r
	}
	if m := allRE.FindStringSubmatch(strings.TrimPrefix(s, "with ")); m != nil {
		if f, ok := p.selection(m[1]); ok {
			return ref{all: true, filter: f.widen(s)}
		}
	}
	if f, ok := p.plural(s); ok {
		return ref{all: true, filter: f}
	}
	r := ref{names: names(s)}
	if parts := andRE.Split(s, -1); len(parts) > 1 && len(parts) <= 10 {
		for _, part := range parts {
			if one, ok := p.place(part); ok {
				r.parts = append(r.parts, one)
			} else {
				r.parts = append(r.parts, ref{names: names(part)})
			}
		}
		if places(r.parts) {
			r.names = nil
		}
	}
	return r
}

func places(parts []ref) bool {
	for _, p := range parts {
		if len(p.names) > 0 {
			return false
		}
	}
	return true
}

// place reads a reference by place: "the second", "#3", "the last two", "it".
func (p *dateParser) place(s string) (ref, bool) {
	s = strings.TrimSpace(strings.TrimPrefix(s, "with "))
	if itRE.MatchString(s) {
		return ref{it: true}, true
	}
	if m := ordinalRE.FindStringSubmatch(s); m != nil {
		word := strings.ToLower(m[1])
		n := ordinals[word]
		if n == 0 {
			n = atoi(strings.TrimRight(word, "stndrh"))
		}
		return ref{numbers: []int{n}}, n != 0
	}
	if m := numberRE.FindStringSubmatch(s); m != nil {
		n := atoi(m[1] + m[2])
		return ref{numbers: []int{n}}, n > 0
	}
	if m := someRE.FindStringSubmatch(s); m != nil {
		word := strings.ToLower(m[2])
		n := numbers[word]
		if n == 0 {
			n = atoi(word)
		}
		if n == 0 {
			n = 2
		}
		if w := strings.ToLower(m[1]); w == "last" || w == "final" {
			return ref{final: n}, true
		}
		return ref{first: n}, true
	}
	return ref{}, false
}

// names returns the titles to look for, the most literal first: as said without
// article, with the verb in its base form, and without the verb.
func names(s string) []string {
	s = strings.TrimSpace(s)
	s = settle(s, func(s string) string {
		s = strings.Trim(s, " .,!?;:")
		s = nounTailRE.ReplaceAllString(s, "")
		if t := articleRE.ReplaceAllString(s, ""); t != "" {
			s = t
		}
		if t := strings.TrimSpace(nounHeadRE.ReplaceAllString(s, "")); t != "" {
			s = t
		}
		return s
	})
	s = unquote(s)
	if s == "" {
		return nil
	}
	s = cutWords(s, chatkitd.MaxTaskTitle)
	out := []string{s}
	word := firstWord(s)
	rest := strings.TrimSpace(strings.TrimPrefix(s, word))
	if rest == "" {
		return out
	}
	if b, ok := base(word); ok && b != strings.ToLower(word) {
		out = []string{b + " " + rest}
	} else if !verbs[strings.ToLower(word)] {
		return out
	}
	if bare := articleRE.ReplaceAllString(rest, ""); bare != "" {
		if bare != rest {
			out = append(out, firstWord(out[0])+" "+bare)
		}
		out = append(out, bare)
	}
	return out
}
