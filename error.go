package chatkitd

import (
	"context"
	"errors"
	"fmt"
)

// Code is the machine-readable kind of an [Error]. Codes are part of the API:
// they may be added, never renamed.
type Code string

// The codes.
const (
	CodeInvalid          Code = "invalid_request"     // the request is malformed; do not retry
	CodeUnsupported      Code = "unsupported_request" // well-formed, but not something this server does
	CodeUnknownPosition  Code = "unknown_position"    // a position past the end of the log: forget it and ask without
	CodeUnauthorized     Code = "unauthorized"        // no token, or one that is not valid any more
	CodeForbidden        Code = "forbidden"           // the token is good, its role is not enough
	CodeNotFound         Code = "not_found"           // unknown or foreign: the two are never told apart
	CodeConflict         Code = "conflict"            // the state forbids it, or a newer revision exists
	CodeBusy             Code = "thread_busy"         // a turn runs in this thread; cancel it or wait
	CodeKeyReused        Code = "idempotency_key_reused"
	CodeTooLarge         Code = "too_large"
	CodeUnsupportedMedia Code = "unsupported_media_type"
	CodeRateLimited      Code = "rate_limited" // too many requests of this user; retry later
	CodeUnavailable      Code = "unavailable"  // overloaded, draining, or the store is down; retry later
	CodeTimeout          Code = "timeout"
	CodeCanceled         Code = "canceled" // the caller went away
	CodeInternal         Code = "internal" // our fault; details go to the log only
)

// Error is an application error. Message is for the caller; Err, the cause, is
// for the log.
type Error struct {
	Code    Code
	Message string
	Err     error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an [Error] without a cause; see [Error.Because].
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Because returns a copy of e with err as its cause, which only the log shows.
func (e *Error) Because(err error) *Error {
	return &Error{Code: e.Code, Message: e.Message, Err: err}
}

// CodeOf returns the code of err, however deeply wrapped. An error that is not
// ours is [CodeInternal].
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return CodeTimeout
	case errors.Is(err, context.Canceled):
		return CodeCanceled
	}
	return CodeInternal
}

// MessageOf returns the text that may be shown to a caller.
func MessageOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Code != CodeInternal {
		return e.Message
	}
	return "internal error"
}
