package s3sqs

import (
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// TestTheAnnouncementSaysWhichTables: what a backfill wants arrives, with the
// object and with its parts.
func TestTheAnnouncementSaysWhichTables(t *testing.T) {
	for _, want := range []string{"", "event"} {
		body, err := Notification(lease.Source{Bucket: "b", Key: "k", Size: -1, TablesOf: want})
		if err != nil {
			t.Fatal(err)
		}
		n, err := parseNotification([]byte(body))
		if err != nil || len(n.objects) != 1 || n.objects[0].tablesOf != want {
			t.Fatalf("%s: %+v, %v", body, n, err)
		}
		if body, err = n.objects[0].message(part{first: 2, last: 3}); err != nil {
			t.Fatal(err)
		}
		if n, err = parseNotification([]byte(body)); err != nil || n.objects[0].tablesOf != want || n.objects[0].first != 2 {
			t.Errorf("%s: %+v, %v", body, n, err)
		}
	}
}
