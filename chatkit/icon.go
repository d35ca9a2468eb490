package chatkit

import (
	"fmt"
	"strings"
)

// icons are the names that ChatKit draws itself.
var icons = map[string]struct{}{
	"agent": {}, "analytics": {}, "atom": {}, "batch": {}, "bolt": {}, "book-open": {},
	"book-closed": {}, "book-clock": {}, "bug": {}, "calendar": {}, "chart": {}, "check": {},
	"check-circle": {}, "check-circle-filled": {}, "chevron-left": {}, "chevron-right": {},
	"circle-question": {}, "clock": {}, "compass": {}, "confetti": {}, "cube": {}, "desktop": {},
	"document": {}, "dot": {}, "dots-horizontal": {}, "dots-vertical": {}, "empty-circle": {},
	"external-link": {}, "globe": {}, "keys": {}, "lab": {}, "images": {}, "info": {},
	"lifesaver": {}, "lightbulb": {}, "mail": {}, "map-pin": {}, "maps": {}, "mobile": {}, "name": {},
	"notebook": {}, "notebook-pencil": {}, "page-blank": {}, "phone": {}, "play": {}, "plus": {},
	"profile": {}, "profile-card": {}, "reload": {}, "star": {}, "star-filled": {}, "search": {},
	"sparkle": {}, "sparkle-double": {}, "square-code": {}, "square-image": {}, "square-text": {},
	"suitcase": {}, "settings-slider": {}, "user": {}, "wreath": {}, "write": {}, "write-alt": {},
	"write-alt2": {},
}

// ValidIcon reports whether name is an icon that a client can draw: one of
// ChatKit's own, or any that begins with "vendor:" or "lucide:".
func ValidIcon(name string) bool {
	_, ok := icons[name]
	return ok || strings.HasPrefix(name, "vendor:") || strings.HasPrefix(name, "lucide:")
}

// checkIcon returns an error unless name is empty or a [ValidIcon].
func checkIcon(name string) error {
	if name == "" || ValidIcon(name) {
		return nil
	}
	return fmt.Errorf("chatkit: %q is not an icon name", name)
}
