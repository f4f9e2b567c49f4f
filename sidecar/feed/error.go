package feed

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Error says why something could not be fetched. Its text has no secrets.
type Error struct {
	// Source is the URL without its query, user and password.
	Source string
	// Reason is what happened.
	Reason string
	// Status is HTTP's, 0 when there was no answer.
	Status int
	// RetryAfter is how long the publisher asked to be left alone, 0 when it
	// did not.
	RetryAfter time.Duration

	cause error // only what has no text of the publisher: a context's error
}

func (e *Error) Error() string { return e.Source + ": " + e.Reason }

func (e *Error) Unwrap() error { return e.cause }

// Denied says whether the publisher knows us and says no: asking again soon
// helps nobody.
func (e *Error) Denied() bool { return e.Status == 401 || e.Status == 403 || e.Status == 404 }

// failure makes an [Error] of err.
func (s *Source) failure(err error) *Error {
	var already *Error
	if errors.As(err, &already) {
		return already
	}
	e := &Error{Source: s.Shown(), Reason: s.scrub(err.Error())}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			e.cause = known
		}
	}
	return e
}

// failuref is failure for a text.
func (s *Source) failuref(format string, args ...any) *Error {
	return &Error{Source: s.Shown(), Reason: s.scrub(fmt.Sprintf(format, args...))}
}

// Shown is the URL as a log may have it.
func (s *Source) Shown() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return s.scrub("a URL that cannot be read")
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return s.scrub(u.String())
}

// queries are those of URLs within a text.
var queries = regexp.MustCompile(`\?[^\s"'<>]+`)

// cutSecret is how much of a secret's beginning is taken for it.
const cutSecret = 12

// scrub takes secrets out of a text, in each of the ways they may be written.
func (s *Source) scrub(text string) string {
	for _, secret := range append([]string{s.Password}, s.Secrets...) {
		if len(secret) < 4 {
			continue // too short to be one, and to be told from other text
		}
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			text = strings.ReplaceAll(text, form, "[key]")
		}
		if len(secret) > cutSecret { // a text that quotes it may have cut it off
			text = hideBeginnings(text, secret)
		}
	}
	return queries.ReplaceAllString(text, "?[query]")
}

// hideBeginnings hides each beginning of a secret that a text has.
func hideBeginnings(text, secret string) string {
	for at := strings.Index(text, secret[:cutSecret]); at >= 0; at = strings.Index(text, secret[:cutSecret]) {
		n := cutSecret
		for n < len(secret) && at+n < len(text) && text[at+n] == secret[n] {
			n++
		}
		text = text[:at] + "[key]" + text[at+n:]
	}
	return text
}
