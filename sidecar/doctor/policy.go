package doctor

import "slices"

// Document is an IAM policy.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement allows actions.
type Statement struct {
	Sid              string
	Effect           string
	Action, Resource []string
}

// Policy is what role must be allowed; "" is our own identity. notes are
// sentences for the operator about what the configuration could not say.
func (p *Plan) Policy(role string) (d Document, notes []string) {
	d = Document{Version: "2012-10-17", Statement: []Statement{}}
	for _, n := range Needs {
		s := Statement{Sid: n.ID, Effect: "Allow", Action: n.Actions}
		for _, g := range n.Of(p) {
			if g.As.Role != role {
				continue
			}
			for _, r := range g.Resources {
				s.Resource = append(s.Resource, r.ARN)
			}
		}
		if len(s.Resource) > 0 {
			slices.Sort(s.Resource)
			s.Resource = slices.Compact(s.Resource)
			d.Statement = append(d.Statement, s)
		}
	}
	if len(p.Inputs) > 0 && len(p.Buckets) == 0 {
		notes = append(notes, "the configuration does not say which buckets are announced, so all may be read; name them with --bucket")
	}
	if len(p.Keys) == 0 && (len(p.Inputs) > 0 || len(feedObjects(p)) > 0 || len(publishedObjects(p)) > 0 || len(topics(p)) > 0) {
		notes = append(notes, "if buckets, queues or topics are encrypted with a key of KMS of your own, name it with --key")
	}
	return d, notes
}

// Roles are the roles that the configuration acts as, sorted.
func (p *Plan) Roles() (arns []string) {
	for _, g := range roles(p) {
		for _, r := range g.Resources {
			arns = append(arns, r.ARN)
		}
	}
	slices.Sort(arns)
	return slices.Compact(arns)
}
