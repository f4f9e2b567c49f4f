package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/sidecar/cluster"
)

// Status is what an examination says of one thing.
type Status string

// The statuses, from the worst.
const (
	Bad     Status = "bad"     // it does not work
	Doubt   Status = "doubt"   // it works, and will not always
	Untried Status = "untried" // it could not be found out
	OK      Status = "ok"
)

// Finding is what was found out about one thing.
type Finding struct {
	Status Status `json:"status"`
	Check  string `json:"check"` // such as "permission sqs:DeleteMessage"
	Of     string `json:"of"`    // the queue, bucket, cluster …
	Found  string `json:"found,omitempty"`
	Todo   string `json:"todo,omitempty"`
}

// Options are what an examination needs besides the plan.
type Options struct {
	Setup    cluster.Settings // what the cluster should have been set up with
	LogTypes *logtype.Set
	Now      func() time.Time // nil: time.Now
}

// patience is how long one question may take.
const patience = 10 * time.Second

// examination is one run.
type examination struct {
	plan *Plan
	Options
	sessions map[Identity]*session // nil where the identity cannot be had
	silent   map[string]bool       // services that did not answer: each would cost patience again
	report   func(Finding)
}

// Examine tries everything that the plan needs and tells each finding. It ends
// early when ctx does.
func Examine(ctx context.Context, p *Plan, o Options, report func(Finding)) {
	if o.Now == nil {
		o.Now = time.Now
	}
	x := &examination{plan: p, Options: o, sessions: map[Identity]*session{}, silent: map[string]bool{}, report: report}
	x.permissions(ctx)
	x.queues(ctx)
	x.buckets(ctx)
	x.clusters(ctx)
}

func (x *examination) say(status Status, check, of, found, todo string) {
	x.report(Finding{status, check, of, found, todo})
}

// permissions tries each action of each grant, once for each role and resource.
func (x *examination) permissions(ctx context.Context) {
	type tried struct{ role, action, resource string }
	var done []tried
	for _, n := range Needs {
		for _, g := range n.Of(x.plan) {
			s := x.session(ctx, g.As)
			if s == nil {
				continue
			}
			for _, r := range g.Resources {
				for _, action := range n.Actions {
					t := tried{g.As.Role, action, r.Name}
					if slices.Contains(done, t) || ctx.Err() != nil {
						continue
					}
					done = append(done, t)
					x.permission(ctx, s, n, action, r)
				}
			}
		}
	}
}

func (x *examination) permission(ctx context.Context, s *session, n Need, action string, r Resource) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	check := "permission " + action
	service, _, _ := strings.Cut(action, ":")
	if x.silent[service] {
		x.say(Untried, check, r.Name, service+" does not answer, see above", "")
		return
	}
	err := tries[action](ctx, s, r)
	switch v := verdictOf(err); {
	case err == nil || v == answered:
		x.say(OK, check, r.Name, "", "")
	case v == denied:
		x.say(Bad, check, r.Name, fmt.Sprintf("%s may not: %v", s.as, said(err)),
			fmt.Sprintf("allow %s on %s (%s); fluent-siem policy prints the whole policy", action, r.ARN, n.Why))
	case v == unclear:
		x.say(Untried, check, r.Name, err.Error(), "")
	case v == absent:
		x.say(Bad, check, r.Name, said(err), "correct "+n.Setting+", or make it")
	default:
		x.silent[service] = unanswered(err)
		x.say(Bad, check, r.Name, said(err), "see that the endpoint of this region can be reached from here, and that the credentials are right")
	}
}

// session returns who asks as an identity, after it has shown who it is; nil
// when it cannot. The first time, it tells.
func (x *examination) session(ctx context.Context, as Identity) *session {
	if s, known := x.sessions[as]; known {
		return s
	}
	s, err := connect(ctx, x.plan, as)
	if err == nil {
		err = x.introduce(ctx, s)
	}
	if err != nil {
		todo := "give the process credentials that are valid: environment, shared files, web identity, container or instance"
		if as.Role != "" {
			todo = "let the role trust the identity of this process (and its external id, if it asks for one), and allow sts:AssumeRole on it"
		}
		x.say(Bad, "credentials", as.String(), said(err), todo)
		s = nil
	}
	x.sessions[as] = s
	return s
}

// introduce asks AWS who we are, which needs no permission, and compares clocks.
func (x *examination) introduce(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := s.cfg.Credentials.Retrieve(ctx); err != nil {
		return err
	}
	if s.emulated() {
		return nil
	}
	name, date, err := s.whoAmI(ctx)
	if err != nil {
		return err
	}
	x.say(OK, "credentials", s.as.String(), name, "")
	x.clock("AWS", date)
	return nil
}

// mostSkew is what AWS tolerates; from a fifth of it we warn.
const mostSkew = 5 * time.Minute

// clock compares the time of this machine with somebody else's.
func (x *examination) clock(of string, theirs time.Time) {
	if theirs.IsZero() {
		return
	}
	skew := x.Now().Sub(theirs).Round(time.Second)
	found := fmt.Sprintf("this machine is %v ahead", skew)
	if skew < 0 {
		found = fmt.Sprintf("this machine is %v behind", -skew)
	}
	const todo = "let chrony or systemd-timesyncd set the clock: AWS refuses signed requests from five minutes on, and documents of logs without a time get a wrong one"
	switch skew = max(skew, -skew); {
	case skew >= mostSkew:
		x.say(Bad, "clock", of, found, todo)
	case skew >= mostSkew/5:
		x.say(Doubt, "clock", of, found, todo)
	default:
		x.say(OK, "clock", of, "", "")
	}
}
