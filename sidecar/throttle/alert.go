package throttle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/fluent-siem/fluent-siem/internal/throttle"
)

// Alert is what people hear of: inputs are held back from now on, or no more.
type Alert struct {
	Throttled bool           `json:"throttled"`
	Cluster   string         `json:"cluster"`
	Host      string         `json:"host"`
	Time      time.Time      `json:"time"`
	Order     throttle.Order `json:"order"`
}

// Subject is the original's, so that rules of a mailbox go on working.
func (a Alert) Subject() string {
	if a.Throttled {
		return "[SIEM on OpenSearch Service] es-loader has been throttled."
	}
	return "[SIEM on OpenSearch Service] es-loader has been unthrottled."
}

// Text tells the whole of it.
func (a Alert) Text() string {
	what := "Loading goes on: the cluster is well again."
	if a.Throttled {
		what = "The inputs are " + a.Order.String() + "."
	}
	detail, err := json.MarshalIndent(a, "", "  ")
	if err != nil { // it has no values that JSON has not
		detail = []byte(err.Error())
	}
	return fmt.Sprintf("%s\n\nCluster: %s\nDecided by: fluent-siem sidecar on %s\n\nNothing is lost: messages stay in their queues, and loading goes on by itself when the cause is gone.\n"+
		"To look:    fluent-siem throttle status\nTo hold:    fluent-siem throttle hold --reason TEXT\nTo release: fluent-siem throttle release\n\n%s\n",
		what, a.Cluster, a.Host, detail)
}

// Teller brings an alert to people.
type Teller interface {
	Tell(ctx context.Context, a Alert) error
}

// Topic is an SNS topic.
type Topic struct {
	Client *sns.Client
	ARN    string
}

// Tell publishes the alert.
func (t Topic) Tell(ctx context.Context, a Alert) error {
	_, err := t.Client.Publish(ctx, &sns.PublishInput{TopicArn: &t.ARN, Subject: aws.String(a.Subject()), Message: aws.String(a.Text())})
	return err
}

// Webhook is a URL that takes the alert as JSON, with its text under "text" as
// chat services want it.
type Webhook string

// Tell posts the alert. Any status but 2xx is an error. Errors do not name the
// URL: it is often its own password.
func (w Webhook) Tell(ctx context.Context, a Alert) error {
	body, err := json.Marshal(struct {
		Alert
		Text string `json:"text"`
	}{a, a.Subject() + "\n\n" + a.Text()})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(w), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the webhook's URL cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the webhook does not answer: %w", cause(err))
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook answers %s", res.Status)
	}
	return nil
}
