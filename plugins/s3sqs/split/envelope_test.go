package split

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// batchOf is a CloudWatch Logs subscription with these messages.
func batchOf(messages ...string) string {
	var events []string
	for i, m := range messages {
		events = append(events, fmt.Sprintf(`{"id":"i%d","timestamp":%d,"message":%s}`, i, 1000+i, text(m)))
	}
	return `{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[` + strings.Join(events, ",") + `]}`
}

func busOf(detail string) string {
	return `{"version":"0","id":"bus","detail-type":"x","source":"aws.x","account":"444455556666","time":"2024-01-15T01:02:03Z","region":"eu-west-1","resources":[],"detail":` + detail + `}`
}

func noticeOf(message string) string {
	return `{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:444455556666:t","Message":` + text(message) + `,"Timestamp":"2024-01-15T01:02:04Z"}`
}

func containerOf(source, log string) string {
	return `{"source":"` + source + `","log":` + text(log) + `,"container_id":"c","ecs_cluster":"e"}`
}

func text(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestEnvelopes(t *testing.T) {
	const (
		inBatch = `{"account":"111122223333","log_group":"g","log_stream":"s","id":"i0","time":"1000"}`
		inBus   = `{"account":"444455556666","region":"eu-west-1","id":"bus","time":"2024-01-15T01:02:03Z"}`
		inBoth  = `{"account":"444455556666","region":"eu-west-1","log_group":"g","log_stream":"s","id":"bus","time":"2024-01-15T01:02:03Z"}`
		inSNS   = `{"time":"2024-01-15T01:02:04Z"}`
		in      = ` in `
	)
	values := Framing{Kind: JSON}
	second := strings.NewReplacer("i0", "i1", "1000", "1001").Replace(inBatch)
	for _, c := range []struct {
		name    string
		framing Framing
		in      string
		want    []string
	}{
		{"batch", Framing{}, batchOf("a \"1\"\u00e9\n", "b\tc"), []string{"1:a \"1\"é" + in + inBatch, "2:b\tc" + in + second}},
		{"batches without anything between", Framing{}, batchOf("a") + batchOf("b"), []string{"1:a" + in + inBatch, "2:b" + in + inBatch}},
		{"batch of JSON", trail, batchOf(`{"a":1}`), []string{`1:{"a":1}` + in + inBatch}},
		{"batch of JSON that is none", trail, batchOf(`{"a":`), []string{`1:{"a":` + in + inBatch}},
		{"batch of several JSON values", values, batchOf(`{"a":1} {"b":2}`), []string{`1:{"a":1}` + in + inBatch, `2:{"b":2}` + in + inBatch}},
		{"batch of lists of records", trail, batchOf(`{"Records":[{"a":1},{"b":2}]}`), []string{`1:{"a":1}` + in + inBatch, `2:{"b":2}` + in + inBatch}},
		{"batch of CSV", Framing{Kind: CSV}, batchOf("2 1", "2 2"), []string{"1:2 1" + in + inBatch, "2:2 2" + in + second}},
		{"batch of several lines", severalLines, batchOf("#a\nb", "no first line"), []string{"1:#a\nb" + in + inBatch, "2:no first line" + in + second}},
		{"batch of elements", elements, batchOf("<Event>\n</Event>"), []string{"1:<Event>\n</Event>" + in + inBatch}},
		{"batch with a blank message", Framing{}, batchOf(" \n", "b"), []string{"2:b" + in + second}},
		{"batch in another order", Framing{}, `{"logEvents":[{"message":"a","timestamp":1000,"id":"i0"}],"logStream":"s","logGroup":"g","owner":"111122223333","messageType":"DATA_MESSAGE"}`, []string{"1:a" + in + inBatch}},
		{"batch of a group of several accounts", Framing{}, strings.Replace(batchOf("a"), `"message":`, `"extractedFields":{"@aws.account":"777","@aws.region":"r"},"message":`, 1), []string{"1:a" + in + `{"account":"777","region":"r","log_group":"g","log_stream":"s","id":"i0","time":"1000"}`}},
		{"batch that breaks off", Framing{}, batchOf("a", "b")[:187], []string{"1:a" + in + inBatch, `2:{"id":"i1","timesta!truncated` + in + `{"account":"111122223333","log_group":"g","log_stream":"s"}`}},
		{"batch pretty-printed", Framing{}, strings.ReplaceAll(batchOf("a"), ",", " ,\n  "), []string{"1:a" + in + inBatch}},
		{"control message", Framing{}, strings.Replace(batchOf("a"), "DATA", "CONTROL", 1), nil},
		{"event without a message", Framing{}, strings.Replace(batchOf("a"), `"message":"a"`, `"x":1`, 1), []string{`1:{"id":"i0","timestamp":1000,"x":1}!not_json` + in + inBatch}},
		{"event", values, busOf(`{"a":1}`), []string{`1:{"a":1}` + in + inBus}},
		{"event with records", trail, busOf(`{"Records":[{"a":1},{"b":2}]}`), []string{`1:{"a":1}` + in + inBus, `2:{"b":2}` + in + inBus}},
		{"event that is a record", trail, busOf(`{"eventVersion":"1"}`), []string{`1:{"eventVersion":"1"}` + in + inBus}},
		{"events and others", values, busOf(`{"a":1}`) + `{"b":2}` + "\n" + busOf(`{"c":3}`), []string{`1:{"a":1}` + in + inBus, `2:{"b":2}`, `3:{"c":3}` + in + inBus}},
		{"event in a batch", values, batchOf(busOf(`{"a":1}`)), []string{`1:{"a":1}` + in + inBoth}},
		{"batch in a notification", Framing{}, noticeOf(batchOf("a")), []string{"1:a" + in + inBatch}},
		{"event in a notification", values, noticeOf(busOf(`{"a":1}`)), []string{`1:{"a":1}` + in + inBus}},
		{"notification of lines", Framing{}, noticeOf("a\nb\n"), []string{"1:a" + in + inSNS, "2:b" + in + inSNS}},
		{"notification of records", trail, noticeOf(`{"Records":[{"a":1}]}`), []string{`1:{"a":1}` + in + inSNS}},
		{"container", Framing{}, containerOf("stdout", "a"), []string{"1:a" + in + `{"container":{"source":"stdout","container_id":"c","ecs_cluster":"e"}}`}},
		{"containers, standard error", Framing{}, containerOf("stderr", "a") + "\n" + containerOf("stdout", "b"), []string{"2:b" + in + `{"container":{"source":"stdout","container_id":"c","ecs_cluster":"e"}}`}},
		{"container, standard error kept", Framing{Stderr: true}, containerOf("stderr", "a"), []string{"1:a" + in + `{"container":{"source":"stderr","container_id":"c","ecs_cluster":"e"}}`}},
		{"container in a notification in a container", Framing{}, containerOf("stdout", noticeOf(containerOf("x", "a")+"\n"+strings.Replace(containerOf("stdout", "b"), `,"container_id":"c"`, "", 1))), []string{
			"1:a" + in + `{"time":"2024-01-15T01:02:04Z","container":{"source":"x","container_id":"c","ecs_cluster":"e"}}`, "2:b" + in + `{"time":"2024-01-15T01:02:04Z","container":{"source":"stdout","ecs_cluster":"e"}}`}},
		{"container around a batch", Framing{}, containerOf("stdout", noticeOf(containerOf("x", "a")+"\n"+batchOf("b"))), []string{
			"1:a" + in + `{"time":"2024-01-15T01:02:04Z","container":{"source":"x","container_id":"c","ecs_cluster":"e"}}`, "2:b" + in + inBatch[:len(inBatch)-1] + `,"container":{"source":"stdout","container_id":"c","ecs_cluster":"e"}}`}},
		{"docker", Framing{}, `{"log":"a\n","stream":"stdout","time":"2024-01-15T01:02:04Z"}`, []string{"1:a" + in + `{"time":"2024-01-15T01:02:04Z","container":{"stream":"stdout","time":"2024-01-15T01:02:04Z"}}`}},
		{"vended log", Framing{}, `{"message":"2 1"}{"message":"2 2"}`, []string{"1:2 1" + in + "{}", "2:2 2" + in + "{}"}},
		{"a record that is a message", values, `{"message":"a"}`, []string{`1:{"message":"a"}`}},
		{"event of a function", Framing{}, `{"awslogs":{"data":"` + b64(gz(batchOf("a"))) + `"}}`, []string{"1:a" + in + inBatch}},
		{"event of a stream", trail, `{"Records":[{"kinesis":{"partitionKey":"1","data":"` + b64(`{"a":1}`) + `"},"awsRegion":"eu-west-1","eventSource":"aws:kinesis"}]}`, []string{`1:{"a":1}` + in + `{"region":"eu-west-1"}`}},
		{"records of Firehose", Framing{}, `{"requestId":"r","records":[{"data":"` + b64(gz(batchOf("a"))) + `"},{"recordId":"2","data":"` + b64("b\nc") + `"}]}`, []string{"1:a" + in + inBatch, "2:b" + in + "{}", "3:c" + in + "{}"}},
		{"data that is not base64", Framing{}, `{"awslogs":{"data":"?"}}`, []string{"1:?!not_json" + in + "{}"}},
		{"records that look like an envelope", Framing{Kind: JSON, Bare: true}, busOf(`{}`), []string{"1:" + busOf(`{}`)}},
		{"a record with some keys of an envelope", values, `{"version":"1.1","account_id":"1","region":"r","vpc_id":"v","detail":1}{"messageType":"ComplianceChangeNotification","detail":{}}`, []string{`1:{"version":"1.1","account_id":"1","region":"r","vpc_id":"v","detail":1}`, `2:{"messageType":"ComplianceChangeNotification","detail":{}}`}},
		{"lines of JSON", Framing{}, `{"a":1}` + "\n" + `{"b":2}`, []string{`1:{"a":1}`, `2:{"b":2}`}},
		{"blank lines before", Framing{}, "\n \n" + batchOf("a"), []string{"1:a" + in + inBatch}},
		{"text behind an envelope", Framing{}, batchOf("a") + "\nb\n" + batchOf("c"), []string{"1:a" + in + inBatch, "2:b!not_json", "3:c" + in + inBatch}},
		{"escapes", Framing{}, `{"message":"\ud83d\ude00 \ud83d \u00e9\/\\\b\f\x"}`, []string{"1:😀 \uFFFD é/\\\b\f\\x" + in + "{}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, way := range []string{"at once", "in bytes"} {
				var got []string
				r := strings.NewReader(c.in)
				emit := func(rec Record) error {
					s := fmt.Sprintf("%d:%s", rec.Number, rec.Raw)
					if rec.Bad != nil {
						s += "!" + string(rec.Bad.Reason)
					}
					if rec.Envelope != nil {
						s += in + string(rec.Envelope)
					}
					got = append(got, s)
					return nil
				}
				var err error
				if way == "at once" {
					_, err = Records(r, c.framing, Limits{}, emit)
				} else {
					_, err = Records(iotest.OneByteReader(r), c.framing, Limits{}, emit)
				}
				if !slices.Equal(got, c.want) || err != nil {
					t.Errorf("%s:\ngot  %q\nwant %q\n%v", way, got, c.want, err)
				}
			}
		})
	}
}

func TestWhatEnvelopesLeaveOutIsCounted(t *testing.T) {
	object := strings.Replace(batchOf("a"), "DATA", "CONTROL", 1) + containerOf("stderr", "b")
	if _, res, err := collect(strings.NewReader(object), Framing{}, Limits{}); err != nil || res.Skipped != 2 || res.Read != 0 {
		t.Errorf("%d skipped, %d read, %v; want 2 skipped", res.Skipped, res.Read, err)
	}
}

// A batch may be longer than any record, and than any other envelope.
func TestBatchesAreReadAsTheyCome(t *testing.T) {
	line := strings.Repeat("x", 1000)
	messages := slices.Repeat([]string{line}, 1000)
	got, _, err := collect(strings.NewReader(batchOf(messages...)), Framing{}, Limits{Record: 2000})
	if err != nil || len(got) != 1000 || got[999].raw != line || got[999].bad != "" {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func TestEnvelopesAreNotNestedForever(t *testing.T) {
	object := "a"
	for range 20 {
		object = noticeOf(object)
	}
	got, _, err := collect(strings.NewReader(object), Framing{}, Limits{})
	if err != nil || len(got) != 1 || !strings.HasPrefix(got[0].raw, `{"Type"`) {
		t.Errorf("%d records, %v", len(got), err)
	}
}

// FuzzEnvelopes: what is wrapped comes out as it went in.
func FuzzEnvelopes(f *testing.F) {
	f.Add("a\x01b", uint16(0))
	f.Add("a\r\n\x01{\"b\":1}\x01\x01c \\ \"", uint16(0x1234))
	f.Fuzz(func(t *testing.T, s string, how uint16) {
		var messages, want []string
		for _, m := range strings.Split(strings.ToValidUTF8(s, "?"), "\x01") {
			if strings.Contains(m, "{") {
				continue // might be an envelope itself
			}
			messages = append(messages, m)
			if m = strings.Trim(m, " \t\r\n\v\f"); m != "" {
				want = append(want, m)
			}
		}
		object := batchOf(messages...)
		for ; how > 0; how /= 8 {
			switch how % 8 {
			case 1:
				object = noticeOf(object)
			case 2:
				object = busOf(object)
			case 3:
				object = batchOf(object)
			case 4:
				object = containerOf("stdout", object)
			case 5:
				object = `{"awslogs":{"data":"` + b64(gz(object)) + `"}}`
			}
		}
		got, _, err := collect(strings.NewReader(object), Framing{}, Limits{})
		var raws []string
		for _, r := range got {
			raws = append(raws, r.raw)
		}
		if err != nil || !slices.Equal(raws, want) {
			t.Errorf("%q became %q, %v", want, raws, err)
		}
	})
}

// TestWhatLooksLikeAnEnvelopeCostsLittle: text that is made to be looked at
// again and again is read in a time that grows with its length only.
func TestWhatLooksLikeAnEnvelopeCostsLittle(t *testing.T) {
	for _, line := range []string{`{"log":[` + "\n", `{"log":{"a":1,` + "\n", `{"version":"` + "\n", `{"messageType":1,"owner":"`, `{"log":"a","b":[[[["`, "<E a='\n", `a,"b` + "\n"} {
		for _, f := range framings {
			began := time.Now()
			_, _, err := collect(strings.NewReader(strings.Repeat(line, 1<<20/len(line))), f, Limits{})
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%q took %v as %s (%v)", line, took, f.Kind, err)
			}
		}
	}
}
