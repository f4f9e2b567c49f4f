package ecs

import (
	"bytes"
	"fmt"
	"testing"
)

func (l login) String() string {
	return fmt.Sprintf("%s|%s|%s|%s|%s", l.action, l.outcome, l.user, l.ip, l.port)
}

func TestSSHD(t *testing.T) {
	for message, want := range map[string]string{
		"Accepted publickey for ec2-user from 203.0.113.24 port 40040 ssh2: RSA SHA256:x":          "Accepted|success|ec2-user|203.0.113.24|40040",
		"Accepted password for alice from 2001:db8::1 port 22 ssh2":                                "Accepted|success|alice|2001:db8::1|22",
		"Failed password for invalid user admin from 203.0.113.24 port 40040 ssh2":                 "Failed|failure|admin|203.0.113.24|40040",
		"Failed keyboard-interactive/pam for root from 203.0.113.24 port 1 ssh2":                   "Failed|failure|root|203.0.113.24|1",
		"Invalid user oracle from 203.0.113.24 port 40040":                                         "Invalid user|failure|oracle|203.0.113.24|40040",
		"Invalid user  from 203.0.113.24 port 40040":                                               "Invalid user|failure||203.0.113.24|40040",
		"input_userauth_request: invalid user admin [preauth]":                                     "invalid user|failure|admin||",
		"Received disconnect from 203.0.113.24 port 40040:11: Bye Bye [preauth]":                   "Received disconnect|||203.0.113.24|40040",
		"Received disconnect from 216.160.83.58: 11:  [preauth]":                                   "Received disconnect|||216.160.83.58|",
		"Disconnected from user ec2-user 203.0.113.24 port 5":                                      "Disconnected||ec2-user|203.0.113.24|5",
		"Connection closed by 203.0.113.24 port 41040 [preauth]":                                   "Connection closed|||203.0.113.24|41040",
		"Connection reset by authenticating user root 203.0.113.24 port 2 [preauth]":               "Connection reset||root|203.0.113.24|2",
		"Connection closed by invalid user bob 203.0.113.24 port 2 [preauth]":                      "invalid user|failure|bob|203.0.113.24|2",
		"Connection from 192.168.0.1 port 32846":                                                   "|||192.168.0.1|32846",
		"fatal: Read from socket failed: Connection reset by peer [preauth]":                       "||||",
		"error: AuthorizedKeysCommand /usr/bin/x ec2-user SHA256:abc failed, status 22":            "error|failure|ec2-user||",
		"reverse mapping checking getaddrinfo for x.example.com [203.0.113.24] failed":             "reverse mapping checking|unknown||203.0.113.24|",
		"Server listening on 0.0.0.0 port 22.":                                                     "|||0.0.0.0|",
		"Did not receive identification string from 192.168.0.1":                                   "|||192.168.0.1|",
		"pam_unix(sshd:session): session opened for user root(uid=0) by ec2-user(uid=1000)":        "session opened|success|ec2-user||",
		"pam_unix(sshd:session): session opened for user ec2-user by (uid=0)":                      "session opened|success|ec2-user||",
		"pam_unix(sshd:session): session closed for user alice":                                    "session closed||alice||",
		"pam_unix(sshd:auth): authentication failure; logname= uid=0 rhost=203.0.113.9  user=root": "authentication failure|failure|root|203.0.113.9|",
		"":           "||||",
		"Accepted":   "Accepted|success|||",
		"Connection": "||||",
	} {
		if got := sshd([]byte(message)).String(); got != want {
			t.Errorf("%s:\n%s, want %s", message, got, want)
		}
	}
}

func TestSudo(t *testing.T) {
	for message, want := range map[string]string{
		"alice : TTY=pts/0 ; PWD=/srv/alice ; USER=root ; COMMAND=/bin/ls -l":                            "/bin/ls -l|success|alice||",
		"alice : user NOT in sudoers ; TTY=pts/1 ; PWD=/srv/alice ; USER=root ; COMMAND=/bin/ls":         "/bin/ls|failure|alice||",
		"alice : 3 incorrect password attempts ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/ls":        "/bin/ls|failure|alice||",
		"pam_unix(sudo:session): session opened for user root by alice(uid=1000)":                        "session opened|success|alice||",
		"pam_unix(sudo:session): session closed for user root":                                           "session closed|success|root||",
		"pam_unix(sudo:auth): authentication failure; logname=bob uid=1 tty=/dev/pts/0 ruser=bob rhost=": "authentication failure|failure|bob||",
		"alice : something else": "||||",
		"":                       "||||",
	} {
		if got := sudo([]byte(message)).String(); got != want {
			t.Errorf("%s:\n%s, want %s", message, got, want)
		}
	}
}

// FuzzLogin: what is read of a message is part of it, and an address is one.
func FuzzLogin(f *testing.F) {
	f.Add([]byte("Failed password for invalid user admin from 203.0.113.24 port 40040 ssh2"))
	f.Add([]byte("pam_unix(sshd:auth): authentication failure; logname= rhost=203.0.113.9  user=root"))
	f.Add([]byte("alice : TTY=pts/0 ; USER=root ; COMMAND=/bin/ls"))
	f.Fuzz(func(t *testing.T, message []byte) {
		for _, l := range []login{sshd(message), sudo(message)} {
			for _, part := range [][]byte{l.action, l.user, l.ip, l.port} {
				if !bytes.Contains(message, part) {
					t.Errorf("%q: %q is not in it", message, part)
				}
			}
			if _, ok := digits(l.port); !ok {
				t.Errorf("%q: port %q", message, l.port)
			}
		}
	})
}

func TestInstanceIn(t *testing.T) {
	for text, want := range map[string]string{
		"i-0123456789abcdef0":         "i-0123456789abcdef0",
		"prod/i-01234567":             "i-01234567",
		"web_i-0123456789abcdef0_log": "i-0123456789abcdef0",
		"mini-01234567":               "",
		"i-012345678":                 "",
		"i-01234567X":                 "",
		"i-0":                         "",
	} {
		if got := string(instanceIn([]byte(text))); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
