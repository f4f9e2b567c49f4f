package ecs

// windowsSteps are the steps of Windows event logs.
var windowsSteps = map[string]stepDef{}
