package auth

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd"
)

// RoleAdmin is the role of operators.
const RoleAdmin = "admin"

// ControlUser is the user of the control token: whoever runs the program's own
// commands on its machine.
const ControlUser chatkitd.UserID = "operator"

// Identity is who a request is from.
type Identity struct {
	User  chatkitd.UserID
	Roles []string // shared: never change it
}

// Admin reports whether the identity may operate the server.
func (i Identity) Admin() bool { return slices.Contains(i.Roles, RoleAdmin) }

// Roles is the roles claim: a list, or one string with spaces between.
type Roles []string

// UnmarshalJSON reads either form.
func (r *Roles) UnmarshalJSON(b []byte) error {
	var list []string
	if err := json.Unmarshal(b, &list); err == nil {
		*r = list
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("roles: neither a list of strings nor a string")
	}
	*r = strings.Fields(text)
	return nil
}

// ValidUser reports whether s can name a user: 1 to [chatkitd.MaxUserID] bytes
// of printable text without space around it.
func ValidUser(s string) bool {
	if s == "" || len(s) > chatkitd.MaxUserID || !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
