package ecs

// databaseSteps are the steps of RDS and CloudHSM.
var databaseSteps = map[string]stepDef{}
