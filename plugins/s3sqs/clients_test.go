package s3sqs

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fluent-siem/fluent-siem/filters/exclude"
)

// What the input does is recognised in the logs that it loads, or loading them
// would never end.
func TestOwnRequestsAreRecognised(t *testing.T) {
	agents := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { agents <- r.UserAgent() }))
	defer server.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	cfg := Defaults()
	cfg.QueueURL, cfg.Endpoint = []string{server.URL + "/123456789012/siem"}, server.URL
	c, err := newClients(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.bucket("logs", "").GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("logs"), Key: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	agent := <-agents
	if field, own := exclude.S3AccessLog([]byte("arn:aws:iam::123456789012:user/u"), []byte(agent)); !own {
		t.Errorf("%q is not recognised (%s)", agent, field)
	}
}
