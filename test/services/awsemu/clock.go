package awsemu

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// tolerance is how far the time of a signature may be off, for S3 and SQS alike.
const tolerance = 15 * time.Minute

// SetClock puts the services' clock ahead of this machine's, or behind it: to a
// client its own clock has jumped. What is signed more than a quarter of an hour
// off is refused, and the Date of each answer says what time it is.
func (s *Server) SetClock(ahead time.Duration) { s.ahead.Store(int64(ahead)) }

// late refuses a request whose signature has another time than the services, and
// reports that it did.
func (s *Server) late(w http.ResponseWriter, r *http.Request, op string) bool {
	now := time.Now().Add(time.Duration(s.ahead.Load()))
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || now.Sub(signed).Abs() <= tolerance {
		return false // not signed: nobody looks
	}
	if strings.HasPrefix(op, sqsPrefix) {
		writeSQSError(w, &sqsError{"InvalidSignatureException", "InvalidSignatureException", fmt.Sprintf("the signature is of %s, and it is %s", signed, now)})
	} else {
		writeS3Error(w, http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	}
	return true
}
