package ecs

// edgeSteps are the steps of CloudFront and S3 access logs, NLB, CLB.
var edgeSteps = map[string]stepDef{}
