package ecs

// findingSteps are the steps of GuardDuty, Security Hub, Inspector and Trusted Advisor findings.
var findingSteps = map[string]stepDef{}
