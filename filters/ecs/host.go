package ecs

// hostSteps are the steps of Linux hosts.
var hostSteps = map[string]stepDef{}
