package doctor

import (
	"cmp"
	"net/url"
	"strings"
)

// arn writes an ARN in the partition of its region; * stands for a region that
// is not known.
func arn(service, region, account, resource string) string {
	partition := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return strings.Join([]string{"arn", partition, service, cmp.Or(region, "*"), account, resource}, ":")
}

// s3ARN is the ARN of a bucket or of objects in it; of the region it has the
// partition only.
func s3ARN(region, path string) string {
	parts := strings.SplitN(arn("s3", region, "", path), ":", 6)
	parts[3] = ""
	return strings.Join(parts, ":")
}

// queueARN is the ARN of the queue with that URL; * stands for what it does not say.
func queueARN(queueURL, region string) string {
	u, err := url.Parse(queueURL)
	if err != nil {
		return "*"
	}
	part := strings.Split(u.Hostname(), ".")
	switch {
	case len(part) > 3 && strings.HasPrefix(part[0], "sqs"):
		region = part[1]
	case len(part) > 3 && part[1] == "queue":
		region = part[0]
	}
	path := strings.Split(strings.Trim(u.Path, "/"), "/")
	account := "*"
	if len(path) > 1 {
		account = path[len(path)-2]
	}
	return arn("sqs", region, account, path[len(path)-1])
}

// clusterARN reads search-NAME-HASH.REGION.es.amazonaws.com, vpc-…, and
// ID.REGION.aoss.amazonaws.com; of other names * stands for what they do not say.
func clusterARN(service, endpoint, region string) string {
	name := "*"
	if u, err := url.Parse(endpoint); err == nil {
		if part := strings.Split(u.Hostname(), "."); len(part) > 4 && part[2] == service {
			name, region = part[0], part[1]
			if service == "es" {
				_, name, _ = strings.Cut(name, "-")
				name = name[:max(strings.LastIndexByte(name, '-'), 0)]
			}
		}
	}
	if service == "aoss" {
		return arn("aoss", region, "*", "collection/"+name)
	}
	return arn("es", region, "*", "domain/"+cmp.Or(name, "*")+"/*")
}
