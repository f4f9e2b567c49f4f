package ecs

// configSteps are the steps of AWS Config history, snapshots and rules.
var configSteps = map[string]stepDef{}
