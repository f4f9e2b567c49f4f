package s3sqs

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// TestNoCredentialIsTold, in log or health, whatever fails and at the finest level.
func TestNoCredentialIsTold(t *testing.T) {
	r := newRig(t, 4, nil)
	secrets := map[string]string{"AWS_ACCESS_KEY_ID": "AKIDTOPSECRET", "AWS_SECRET_ACCESS_KEY": "tOpSeCrEtKey", "AWS_SESSION_TOKEN": "tOpSeCrEtToken"}
	for name, value := range secrets {
		t.Setenv(name, value)
	}
	var ends []func() int
	for op, code := range map[string]string{"GetObject": "AccessDenied", "AmazonSQS.DeleteMessageBatch": "InvalidClientTokenId", "AmazonSQS.ChangeMessageVisibilityBatch": "ExpiredToken"} {
		ends = append(ends, r.aws.Fault(awsemu.Fault{Operation: op, Status: http.StatusForbidden, Code: code, Times: 2}))
	}
	r.put(key("a"), trail("a", 3))
	r.put("unclaimed/x", "x")
	r.queue.Send("no notification", 0)
	r.start()
	health := ""
	r.until("three failures", func() bool {
		health += fmt.Sprint(r.p.Health())
		n := 0
		for _, line := range strings.Split(r.log.String(), "\n") {
			if strings.Contains(line, "code=") {
				n++
			}
		}
		return n >= 3
	})
	r.until("the record", func() bool { n, _ := r.host.got(); return n == 3 })
	for _, end := range ends {
		end()
	}
	for name, value := range secrets {
		if strings.Contains(r.log.String()+health, value) {
			t.Errorf("%s is told in:\n%s\n%s", name, r.log, health)
		}
	}
	if strings.Contains(r.log.String()+health, "Signature=") {
		t.Errorf("a signature is told in:\n%s", r.log)
	}
}
