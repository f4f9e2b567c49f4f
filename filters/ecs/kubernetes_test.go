package ecs

import (
	"reflect"
	"strings"
	"testing"
)

// TestKubernetesAudit: requests of several kinds, plain and in the envelope of
// CloudWatch Logs. The records are from test/golden/samples, shortened, but for
// those that say they are written from the documentation of Kubernetes and EKS.
func TestKubernetesAudit(t *testing.T) {
	for _, try := range []struct {
		name, envelope, record string
		want                   map[string]any
	}{
		{"a program in a pod", "", `{"annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""},"auditID":"ca1ed9f4-7bf4-4c85-81a8-1b11253d1ba6","kind":"Event","level":"Request","objectRef":{"apiVersion":"v1","name":"nginx-1","namespace":"default","resource":"pods","subresource":"exec"},"requestReceivedTimestamp":"2018-10-26T13:38:34.867116Z","requestURI":"/api/v1/namespaces/default/pods/nginx-1/exec?command=bash&stdin=true","responseStatus":{"code":101,"metadata":{}},"sourceIPs":["192.168.99.1"],"stage":"ResponseStarted","stageTimestamp":"2018-10-26T13:38:34.902914Z","timestamp":"2018-10-26T13:38:34Z","user":{"groups":["system:masters"],"username":"minikube-user"},"verb":"create"}`,
			map[string]any{"@timestamp": "2018-10-26T13:38:34.902914Z", "event.action": "create", "event.category": []any{"process"}, "event.type": []any{"creation"}, "event.outcome": "success", "event.duration": 35798000.0,
				"orchestrator.resource.type": "pods/exec", "orchestrator.resource.name": "nginx-1", "url.query": "command=bash&stdin=true", "source.ip": "192.168.99.1", "user.name": "minikube-user",
				"kubernetes.audit.user.groups": []any{"system:masters"}, "kubernetes.audit.annotations": `{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}`, "user.groups": nil, "verb": nil, "kind": nil}},
		{"EKS (written)", `{"account":"111122223333","log_group":"/aws/eks/prod/cluster","log_stream":"kube-apiserver-audit-0badcafe","id":"1","time":"1704067200000"}`,
			`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a","stage":"ResponseComplete","requestURI":"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings","verb":"create","user":{"username":"kubernetes-admin","uid":"aws-iam-authenticator:111122223333:AROAEXAMPLE","groups":["system:masters"],"extra":{"arn":["arn:aws:sts::111122223333:assumed-role/Admin/bob"],"sessionName":["bob"]}},"impersonatedUser":{"username":"jane"},"sourceIPs":["10.1.2.3","203.0.113.7"],"userAgent":"kubectl/v1.29.0 (linux/amd64)","objectRef":{"resource":"clusterrolebindings","apiGroup":"rbac.authorization.k8s.io","apiVersion":"v1"},"responseStatus":{"metadata":{},"status":"Failure","message":"no","reason":"Forbidden","details":{"group":"g","causes":[{"x":1}]},"code":403},"requestObject":{"kind":"ClusterRoleBinding","metadata":{"name":"x"}},"requestReceivedTimestamp":"2024-01-01T00:00:00.000000Z","stageTimestamp":"2024-01-01T00:00:00.250000Z","annotations":{"authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":"no RBAC policy matched"}}`,
			map[string]any{"cloud.account.id": "111122223333", "orchestrator.cluster.name": "prod", "event.category": []any{"iam"}, "event.outcome": "failure", "event.reason": "no RBAC policy matched", "http.response.status_code": "403",
				"source.ip": "203.0.113.7", "related.ip": []any{"10.1.2.3", "203.0.113.7"}, "related.user": []any{"jane", "kubernetes-admin"}, "user.effective.name": "jane",
				"kubernetes.audit.requestObject": `{"kind":"ClusterRoleBinding","metadata":{"name":"x"}}`, "kubernetes.audit.responseStatus.details": `{"group":"g","causes":[{"x":1}]}`,
				"kubernetes.audit.user.extra": `{"arn":["arn:aws:sts::111122223333:assumed-role/Admin/bob"],"sessionName":["bob"]}`, "user_agent.original": "kubectl/v1.29.0 (linux/amd64)"}},
		{"another component of EKS (written)", `{"account":"111122223333","log_group":"/aws/eks/prod/cluster","log_stream":"authenticator-0badcafe","id":"1","time":"1704067200000"}`,
			`time="2024-01-01T00:00:00Z" level=info msg="access granted" arn="arn:aws:iam::111122223333:role/Admin" username=kubernetes-admin`,
			map[string]any{"event.dataset": "authenticator", "orchestrator.cluster.name": "prod", "error": nil, "event.category": nil, "@timestamp": "2024-01-01T00:00:00Z",
				"message": `time="2024-01-01T00:00:00Z" level=info msg="access granted" arn="arn:aws:iam::111122223333:role/Admin" username=kubernetes-admin`}},
		{"no object (written)", "", `{"kind":"Event","auditID":"b","stage":"RequestReceived","requestURI":"/livez","verb":"get","user":{"username":"system:anonymous"},"sourceIPs":["fd00::1"],"stageTimestamp":"2024-01-01T00:00:00.000000Z"}`,
			map[string]any{"event.outcome": "unknown", "event.category": []any{"configuration"}, "source.ip": "fd00::1", "orchestrator.resource": nil, "url.path": "/livez"}},
	} {
		m := document(t, "kubernetes-audit", try.envelope, try.record)
		for path, want := range try.want {
			if got := m.at(path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s is %#v, want %#v", try.name, path, got, want)
			}
		}
	}
}

// TestKubernetesSecrets: what a secret holds is in no field, not even in
// @message; the id is not the request's, for the client chooses that (Audit-ID).
func TestKubernetesSecrets(t *testing.T) {
	for _, object := range []string{`{"resource":"secrets","namespace":"d","name":"s"}`, `{"resource":"tokenreviews"}`, `{"resource":"serviceaccounts","subresource":"token"}`} {
		m := document(t, "kubernetes-audit", "", `{"kind":"Event","auditID":"chosen","verb":"create","objectRef":`+object+`,"requestObject":{"data":{"k":"aHVudGVyMg=="}},"responseObject":{"data":{"k":"aHVudGVyMg=="}},"stageTimestamp":"2024-01-01T00:00:00Z"}`)
		if strings.Contains(string(m.json), "aHVudGVyMg") || m.at("kubernetes.audit.requestObject") != redacted {
			t.Errorf("%s: %s", object, m.json)
		}
		if m.id == "chosen" {
			t.Error("the id is one that a client can choose: it could make a record a duplicate of an earlier one")
		}
	}
}
