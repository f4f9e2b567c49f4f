package ecs

// ocsfSteps are the steps of OCSF: Security Lake and ocsf-json.
var ocsfSteps = map[string]stepDef{}
