package enrich

import (
	"bytes"
	_ "embed"
	"regexp"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/ua-parser/uap-go/uaparser"
	"github.com/zeebo/xxh3"
)

// Agent is what a user agent's text says. A field that it does not say is "".
// An Agent never changes.
type Agent struct {
	// Name is the program: Chrome, curl, aws-cli, or Other. The name of an AWS
	// service, such as signin.amazonaws.com, is a program too.
	Name string
	// Version is major.minor.patch, as many of them as there are.
	Version string
	// OSName is the operating system (or Other), OSVersion its version, OSFull
	// both.
	OSName, OSFull, OSVersion string
	// DeviceName is the device: iPhone, Spider, or Other.
	DeviceName string
}

// Agents recognises user agents by the rules of ua-parser (uap-core) that are
// compiled in. It keeps the last 8,192 results, whoever asked.
type Agents struct {
	rules  func() *agentRules
	shared slots[parsedAgent]
}

// agentRules is made when the first user agent is seen: 80 ms and 15 MB that a
// pipeline without user agents need not spend.
type agentRules struct {
	parser               *uaparser.Parser
	filter               prefilter
	agent, system, thing [][]uint16 // for each rule the literals it needs
}

// parsedAgent is a text and what it says.
type parsedAgent struct {
	text  string
	agent *Agent
}

// longestAgent is how many bytes of a user agent are looked at: rules find
// what they look for far earlier, and time must not grow with an attacker's
// patience.
const longestAgent = 2048

//go:embed uap-core/regexes.yaml
var uapCore []byte

// NewAgents returns Agents with uap-core's rules.
func NewAgents() *Agents { return &Agents{rules: sync.OnceValue(newAgentRules)} }

// newAgentRules compiles the rules that are compiled in, so it fails for no
// operator; if it did, every agent would be Other.
func newAgentRules() *agentRules {
	var rules uaparser.RegexDefinitions
	if err := yaml.Unmarshal(uapCore, &rules); err != nil {
		return &agentRules{}
	}
	parser, err := uaparser.New(uaparser.WithRegexDefinitions(rules), uaparser.WithCacheSize(1)) // its cache is not used
	if err != nil {
		return &agentRules{}
	}
	r := &agentRules{parser: parser}
	for _, p := range parser.UA {
		r.agent = append(r.agent, r.filter.need(p.Reg.String()))
	}
	for _, p := range parser.OS {
		r.system = append(r.system, r.filter.need(p.Reg.String()))
	}
	for _, p := range parser.Device {
		r.thing = append(r.thing, r.filter.need(p.Reg.String()))
	}
	return r
}

// Reader returns a reader for one goroutine.
func (a *Agents) Reader() *AgentReader { return &AgentReader{agents: a} }

// AgentReader recognises user agents for one goroutine.
type AgentReader struct {
	agents *Agents
	rules  *agentRules
	trial  trial
	cache  [1 << agentBits]*parsedAgent
}

const agentBits = 10

// Parse returns what a user agent says. The same text gives the same pointer
// while it is remembered, so a caller may keep what it rendered beside it. A
// text seen lately costs some 20 ns, a new one some tens of microseconds. Only
// the first 2,048 bytes are looked at.
//
// The caller has taken "-" for absent, and has undone %20 ([UnescapeAgent])
// where the document shall hold the readable text.
func (r *AgentReader) Parse(ua []byte) *Agent {
	if len(ua) > longestAgent {
		ua = ua[:longestAgent]
	}
	hash := xxh3.Hash(ua)
	at := &r.cache[hash>>(64-agentBits)]
	if *at != nil && (*at).text == string(ua) {
		return (*at).agent
	}
	shared := r.agents.shared.at(hash)
	p := shared.Load()
	if p == nil || p.text != string(ua) {
		p = &parsedAgent{string(ua), r.parse(ua)}
		shared.Store(p)
	}
	*at = p
	return p.agent
}

// ownName are texts that no rule knows but that name who asked: AWS itself.
var ownName = regexp.MustCompile(`^(AWS Internal|\w+\.amazonaws\.com)$`)

func (r *AgentReader) parse(ua []byte) *Agent {
	if r.rules == nil {
		r.rules = r.agents.rules()
		r.trial.prefilter = &r.rules.filter
	}
	text := string(ua)
	if r.rules.parser == nil {
		return &Agent{Name: "Other", OSName: "Other", OSFull: "Other", DeviceName: "Other"}
	}
	r.trial.reset(ua)
	agent, system, device := uaparser.UserAgent{}, uaparser.Os{}, uaparser.Device{}
	for i, p := range r.rules.parser.UA {
		if r.trial.worth(r.rules.agent[i]) {
			if p.Match(text, &agent); agent.Family != "" {
				break
			}
		}
	}
	for i, p := range r.rules.parser.OS {
		if r.trial.worth(r.rules.system[i]) {
			if p.Match(text, &system); system.Family != "" {
				break
			}
		}
	}
	for i, p := range r.rules.parser.Device {
		if r.trial.worth(r.rules.thing[i]) {
			if p.Match(text, &device); device.Family != "" {
				break
			}
		}
	}
	a := &Agent{
		Name:       orOther(agent.Family),
		Version:    dotted(agent.Major, agent.Minor, agent.Patch),
		OSName:     orOther(system.Family),
		OSVersion:  dotted(system.Major, system.Minor, system.Patch, system.PatchMinor),
		DeviceName: orOther(device.Family),
	}
	a.OSFull = a.OSName
	if a.OSVersion != "" {
		a.OSFull += " " + a.OSVersion
	}
	if a.Name == "Other" && ownName.MatchString(text) {
		a.Name = text
	}
	return a
}

func orOther(s string) string {
	if s == "" {
		return "Other"
	}
	return s
}

// dotted joins the parts of a version up to the first that is missing.
func dotted(parts ...string) string {
	for i, p := range parts {
		if p == "" {
			parts = parts[:i]
			break
		}
	}
	return strings.Join(parts, ".")
}

// UnescapeAgent undoes percent-encoding in a user agent that has encoded
// blanks (CloudFront writes them so), and says whether it did. dst is reused.
// What is not valid encoding stays as it is.
func UnescapeAgent(dst, ua []byte) (text []byte, changed bool) {
	if !bytes.Contains(ua, []byte("%20")) {
		return ua, false
	}
	dst = dst[:0]
	for i := 0; i < len(ua); i++ {
		if ua[i] == '%' && i+2 < len(ua) && hex(ua[i+1]) >= 0 && hex(ua[i+2]) >= 0 {
			dst = append(dst, byte(hex(ua[i+1])<<4|hex(ua[i+2])))
			i += 2
			continue
		}
		dst = append(dst, ua[i])
	}
	return dst, true
}

func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= lower(c) && lower(c) <= 'f':
		return int(lower(c)-'a') + 10
	}
	return -1
}
