package awsemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sqsRequest holds the fields of every SQS request that we answer.
type sqsRequest struct {
	QueueURL          string `json:"QueueUrl"`
	QueueName         string
	QueueNamePrefix   string
	Attributes        map[string]string
	MessageBody       string
	MessageAttributes map[string]any
	DelaySeconds      int
	MaxMessages       int  `json:"MaxNumberOfMessages"`
	WaitSeconds       *int `json:"WaitTimeSeconds"`
	VisibilityTimeout *int
	ReceiptHandle     string
	Entries           []struct {
		ID                string `json:"Id"`
		MessageBody       string
		MessageAttributes map[string]any
		DelaySeconds      int
		ReceiptHandle     string
		VisibilityTimeout *int
	}
}

// sqsError is an error in the AWS JSON 1.0 protocol.
type sqsError struct{ shape, query, message string }

func (e *sqsError) Error() string { return e.shape + ": " + e.message }

// receiptError says in SQS's words what Queue found wrong with a receipt handle.
func receiptError(err error) *sqsError {
	switch {
	case errors.Is(err, errReceipt):
		return &sqsError{"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle is invalid."}
	case errors.Is(err, errNotInflight):
		return &sqsError{"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", "The message referred to is not in flight."}
	default:
		return &sqsError{"InvalidParameterValueException", "InvalidParameterValue", "Value for parameter ReceiptHandle is invalid. Reason: " + err.Error() + "."}
	}
}

// serveSQS answers one request of the AWS JSON 1.0 protocol.
func (s *Server) serveSQS(w http.ResponseWriter, r *http.Request, action string) {
	var in sqsRequest
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		writeSQSError(w, &sqsError{"InvalidParameterValueException", "InvalidParameterValue", err.Error()})
		return
	}
	out, err := s.sqs(r, action, &in)
	if err != nil {
		writeSQSError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("x-amzn-RequestId", "00000000-0000-4000-8000-000000000000")
	json.NewEncoder(w).Encode(out)
}

func writeSQSError(w http.ResponseWriter, err error) {
	var e *sqsError
	if !errors.As(err, &e) {
		e = &sqsError{"InternalError", "InternalError", err.Error()}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("x-amzn-query-error", e.query+";Sender")
	w.WriteHeader(http.StatusBadRequest)
	json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.sqs#" + e.shape, "message": e.message})
}

type object = map[string]any

func (s *Server) sqs(r *http.Request, action string, in *sqsRequest) (any, error) {
	switch action {
	case "CreateQueue":
		if err := s.CreateQueue(in.QueueName, in.Attributes); err != nil {
			return nil, err
		}
		return object{"QueueUrl": s.QueueURL(in.QueueName)}, nil
	case "GetQueueUrl":
		if s.Queue(in.QueueName) == nil {
			return nil, noQueue()
		}
		return object{"QueueUrl": s.QueueURL(in.QueueName)}, nil
	case "ListQueues":
		urls := []string{}
		s.mu.Lock()
		for name := range s.queues {
			if strings.HasPrefix(name, in.QueueNamePrefix) {
				urls = append(urls, s.QueueURL(name))
			}
		}
		s.mu.Unlock()
		return object{"QueueUrls": urls}, nil
	}
	name := in.QueueURL[strings.LastIndexByte(in.QueueURL, '/')+1:]
	q := s.Queue(name)
	if q == nil {
		return nil, noQueue()
	}
	switch action {
	case "DeleteQueue":
		s.mu.Lock()
		delete(s.queues, name)
		s.mu.Unlock()
		q.Purge()
		return object{}, nil
	case "GetQueueAttributes":
		return object{"Attributes": s.attributes(q)}, nil
	case "SetQueueAttributes":
		return object{}, s.setAttributes(q, in.Attributes)
	case "PurgeQueue":
		q.Purge()
		return object{}, nil
	case "SendMessage":
		m := q.send(in.MessageBody, seconds(in.DelaySeconds), in.MessageAttributes)
		return object{"MessageId": m.ID, "MD5OfMessageBody": m.MD5}, nil
	case "ReceiveMessage":
		return receive(r, q, in), nil
	case "DeleteMessage":
		if err := q.Delete(in.ReceiptHandle); err != nil {
			return nil, receiptError(err)
		}
		return object{}, nil
	case "ChangeMessageVisibility":
		if err := q.Extend(in.ReceiptHandle, timeout(in.VisibilityTimeout, q)); err != nil {
			return nil, receiptError(err)
		}
		return object{}, nil
	case "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch":
		return batch(q, action, in)
	}
	return nil, &sqsError{"UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", action + " is not emulated"}
}

func receive(r *http.Request, q *Queue, in *sqsRequest) any {
	q.mu.Lock()
	wait := q.wait
	q.mu.Unlock()
	if in.WaitSeconds != nil {
		wait = seconds(*in.WaitSeconds)
	}
	messages := []object{}
	for _, m := range q.Receive(r.Context(), max(1, in.MaxMessages), timeout(in.VisibilityTimeout, q), wait) {
		message := object{
			"MessageId": m.ID, "ReceiptHandle": m.Receipt, "Body": m.Body, "MD5OfBody": m.MD5,
			"Attributes": map[string]string{
				"SenderId": "AIDAEMULATOR", "SentTimestamp": millis(m.Sent),
				"ApproximateFirstReceiveTimestamp": millis(m.FirstReceived), "ApproximateReceiveCount": strconv.Itoa(m.Received),
			},
		}
		if len(m.attrs) > 0 {
			message["MessageAttributes"] = m.attrs
		}
		messages = append(messages, message)
	}
	return object{"Messages": messages}
}

func batch(q *Queue, action string, in *sqsRequest) (any, error) {
	switch n := len(in.Entries); {
	case n == 0:
		return nil, &sqsError{"EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", "The batch request contains no entries."}
	case n > 10:
		return nil, &sqsError{"TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", fmt.Sprintf("%d entries; 10 are allowed", n)}
	}
	done, failed := []object{}, []object{}
	seen := map[string]bool{}
	for _, e := range in.Entries {
		if seen[e.ID] {
			return nil, &sqsError{"BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id " + e.ID + " repeated"}
		}
		seen[e.ID] = true
		var err error
		entry := object{"Id": e.ID}
		switch action {
		case "SendMessageBatch":
			m := q.send(e.MessageBody, seconds(e.DelaySeconds), e.MessageAttributes)
			entry["MessageId"], entry["MD5OfMessageBody"] = m.ID, m.MD5
		case "DeleteMessageBatch":
			err = q.Delete(e.ReceiptHandle)
		default:
			err = q.Extend(e.ReceiptHandle, timeout(e.VisibilityTimeout, q))
		}
		if err != nil {
			e := receiptError(err)
			entry["Code"], entry["Message"], entry["SenderFault"] = e.query, e.message, true
			failed = append(failed, entry)
			continue
		}
		done = append(done, entry)
	}
	return object{"Successful": done, "Failed": failed}, nil
}

func (s *Server) attributes(q *Queue) map[string]string {
	stats := q.Stats()
	q.mu.Lock()
	defer q.mu.Unlock()
	a := map[string]string{
		"QueueArn":                              queueARN(q.Name),
		"ApproximateNumberOfMessages":           strconv.Itoa(stats.Visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(stats.InFlight),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(stats.Delayed),
		"VisibilityTimeout":                     strconv.Itoa(int(q.timeout / time.Second)),
		"ReceiveMessageWaitTimeSeconds":         strconv.Itoa(int(q.wait / time.Second)),
		"MessageRetentionPeriod":                "345600",
	}
	if q.dead != nil {
		a["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, queueARN(q.dead.Name), q.maxReceive)
	}
	return a
}

func (s *Server) setAttributes(q *Queue, a map[string]string) error {
	var dead *Queue
	var redrive struct {
		Target string      `json:"deadLetterTargetArn"`
		Max    json.Number `json:"maxReceiveCount"`
	}
	if p := a["RedrivePolicy"]; p != "" {
		if err := json.Unmarshal([]byte(p), &redrive); err != nil {
			return &sqsError{"InvalidAttributeValue", "InvalidAttributeValue", "RedrivePolicy: " + err.Error()}
		}
		if dead = s.Queue(redrive.Target[strings.LastIndexByte(redrive.Target, ':')+1:]); dead == nil {
			return noQueue()
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if dead != nil {
		q.dead = dead
		n, err := redrive.Max.Int64()
		if err != nil || n < 1 {
			return &sqsError{"InvalidAttributeValue", "InvalidAttributeValue", "maxReceiveCount"}
		}
		q.maxReceive = int(n)
	}
	for key, d := range map[string]*time.Duration{"VisibilityTimeout": &q.timeout, "ReceiveMessageWaitTimeSeconds": &q.wait} {
		if v, ok := a[key]; ok {
			n, err := strconv.Atoi(v)
			if err != nil {
				return &sqsError{"InvalidAttributeValue", "InvalidAttributeValue", key}
			}
			*d = seconds(n)
		}
	}
	return nil
}

func noQueue() *sqsError {
	return &sqsError{"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."}
}

func timeout(asked *int, q *Queue) time.Duration {
	if asked != nil {
		return seconds(*asked)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.timeout
}

func queueARN(name string) string { return "arn:aws:sqs:us-east-1:123456789012:" + name }
func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
func millis(t time.Time) string   { return strconv.FormatInt(t.UnixMilli(), 10) }
