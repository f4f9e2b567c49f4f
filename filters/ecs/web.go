package ecs

// webSteps are the steps of Apache and nginx.
var webSteps = map[string]stepDef{}
