package exclude

import (
	"bytes"

	"github.com/valyala/fastjson"
)

// What the loader writes about itself. Loading it again would never end where
// data events are recorded: each object read is an event, each event an object.
//
// The user agents are this loader's and the original's, whose logs may lie in
// the same bucket; the functions and roles are the original's and Security
// Lake's.
var (
	ownAgents    = words("fluent-siem", "siem-es-loader", "AesSiemEsLoader", "siem-ioc-db-creator")
	ownFunctions = words("aes-siem-ioc-download", "aes-siem-ioc-plan", "aes-siem-ioc-createdb", "aes-siem-es-loader", "aes-siem-index-metrics-exporter")
	lakeFunction = []byte("SecurityLake_Glue_Partition_Updater_Lambda")
	ownRole      = []byte("LambdaEsLoaderServiceRole")
	lakeRole     = []byte("AmazonSecurityLakeS3ReplicationRole")
	lake         = []byte("securitylake.amazonaws.com")
	lakeService  = []byte("svc:securitylake.amazonaws.com")
	assumedRole  = []byte("AROA")

	// What all of the words have in common: nearly no text has even that.
	inAgents    = []byte("iem")
	inFunctions = []byte("aes-siem-")
)

func words(texts ...string) [][]byte {
	list := make([][]byte, len(texts))
	for i, t := range texts {
		list[i] = []byte(t)
	}
	return list
}

func ownAgent(text []byte) bool {
	return bytes.Contains(text, inAgents) && containsAny(text, ownAgents)
}

func ownFunction(text []byte) bool {
	return bytes.Contains(text, inFunctions) && containsAny(text, ownFunctions) || bytes.Contains(text, lakeFunction)
}

func ownRoleIn(text []byte) bool {
	return bytes.Contains(text, ownRole) || bytes.Contains(text, lakeRole)
}

func containsAny(text []byte, list [][]byte) bool {
	for _, w := range list {
		if bytes.Contains(text, w) {
			return true
		}
	}
	return false
}

// CloudTrail says whether a CloudTrail record tells of the loader's own doing,
// and by which field.
func CloudTrail(record *fastjson.Value) (field string, own bool) {
	if ownAgent(record.GetStringBytes("userAgent")) {
		return "userAgent", true
	}
	if bytes.Equal(record.GetStringBytes("sourceIPAddress"), lake) {
		return "sourceIPAddress", true
	}
	if identity := record.Get("userIdentity"); identity != nil {
		if id := identity.GetStringBytes("principalId"); bytes.HasPrefix(id, assumedRole) && ownFunction(id) {
			return "userIdentity.principalId", true
		}
		if ownRoleIn(identity.GetStringBytes("arn")) {
			return "userIdentity.arn", true
		}
	}
	if parameters := record.Get("requestParameters"); parameters != nil {
		if ownFunction(parameters.GetStringBytes("functionName")) {
			return "requestParameters.functionName", true
		}
		if ownRoleIn(parameters.GetStringBytes("roleArn")) {
			return "requestParameters.roleArn", true
		}
	}
	return "", false
}

// S3AccessLog says whether a line of an S3 access log tells of the loader's
// own doing, from its columns Requester and UserAgent.
func S3AccessLog(requester, userAgent []byte) (field string, own bool) {
	if ownAgent(userAgent) {
		return "UserAgent", true
	}
	if bytes.Equal(requester, lakeService) || ownRoleIn(requester) {
		return "Requester", true
	}
	return "", false
}

// SecurityLake says whether an OCSF record tells of the loader's own doing,
// and by which field.
func SecurityLake(record *fastjson.Value) (field string, own bool) {
	if bytes.Equal(record.GetStringBytes("src_endpoint", "domain"), lake) {
		return "src_endpoint.domain", true
	}
	for _, resource := range record.GetArray("resources") {
		if uid := resource.GetStringBytes("uid"); ownRoleIn(uid) || ownFunction(uid) {
			return "resources.uid", true
		}
	}
	if actor := record.Get("actor"); actor != nil {
		if uid := actor.GetStringBytes("user", "uid"); bytes.HasPrefix(uid, assumedRole) && ownFunction(uid) {
			return "actor.user.uid", true
		}
		if ownRoleIn(actor.GetStringBytes("session", "issuer")) {
			return "actor.session.issuer", true
		}
	}
	return "", false
}
