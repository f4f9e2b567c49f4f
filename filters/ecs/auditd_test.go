package ecs

import (
	"reflect"
	"testing"
)

// TestAuditd tries the forms in which auditd and the kernel write values. The
// lines are from the samples (test/golden/samples), or written from auditd.conf(5)
// and the kernel's audit_log_execve_info where it says so.
func TestAuditd(t *testing.T) {
	for _, try := range []struct {
		name, record string
		want         map[string]any
	}{
		{"a process title in hexadecimal", `type=PROCTITLE msg=audit(1604994496.155:92734): proctitle=67726570002D76005E3F`,
			map[string]any{"process.title": "grep -v ^?", "process.command_line": "grep -v ^?", "event.action": "proctitle", "event.id": "1604994496.155:92734", "@timestamp": "2020-11-10T07:48:16.155Z"}},
		{"arguments", `type=EXECVE msg=audit(1481077253.941:486): argc=3 a0="/usr/sbin/sshd" a1=2D4420783D79 a2="-R"`,
			map[string]any{"process.args": []any{"/usr/sbin/sshd", "-D x=y", "-R"}, "process.args_count": "3", "process.command_line": "/usr/sbin/sshd -D x=y -R", "process.executable": "/usr/sbin/sshd"}},
		{"an argument in parts (written)", `type=EXECVE msg=audit(1481077253.941:486): argc=2 a0="sh" a1_len=12 a1[0]=6563686F a1[1]=2061`,
			map[string]any{"process.args": []any{"sh", "echo a"}, "process.executable": nil}},
		{"enriched (written)", "node=web-1 type=SYSCALL msg=audit(1604994496.155:92734): arch=c000003e syscall=59 success=no exit=-13 a0=55 items=2 ppid=29002 pid=1632 auid=1000 uid=0 gid=0 euid=0 tty=pts0 ses=104 comm=\"grep\" exe=\"/bin/grep\" key=65786563013634626974\x1dARCH=x86_64 SYSCALL=execve AUID=\"wardog\" UID=\"root\" GID=\"root\" EUID=\"root\"",
			map[string]any{"user.id": "0", "user.name": "root", "user.audit.id": "1000", "user.audit.name": "wardog", "user.effective.name": "root", "user.group.name": "root", "host.architecture": "x86_64", "host.hostname": "web-1",
				"auditd.log.syscall": "execve", "event.action": "executed", "event.outcome": "failure", "event.type": []any{"start"}, "related.user": []any{"root", "wardog"}, "tags": []any{"64bit", "exec"}, "auditd.log.exit": "-13", "auditd.log.GID": nil}},
		{"interpreted", `type=SYSCALL msg=audit(1581371984.206:579398): arch=x86_64 syscall=openat success=yes a0=0x1 ppid=2563 auid=vagrant uid=root comm=top exe=/usr/bin/top key=(null)`,
			map[string]any{"user.id": nil, "user.name": "root", "user.audit.name": "vagrant", "event.action": "syscall", "process.executable": "/usr/bin/top", "tags": nil}},
		{"an account", `type=USER_LOGIN msg=audit(1489636960.072:19623789): user pid=28281 uid=0 auid=4294967295 ses=6793 msg='op=login acct=28756E6B6E6F776E207573657229 exe="/usr/sbin/sshd" hostname=client.example addr=216.160.83.61 terminal=ssh res=failed'`,
			map[string]any{"user.name": "(unknown user)", "user.id": nil, "user.effective.id": "0", "user.audit.id": nil, "event.action": "logged-in", "event.category": []any{"authentication"}, "event.outcome": "failure",
				"source.ip": "216.160.83.61", "source.domain": "client.example", "related.ip": []any{"216.160.83.61"}, "related.user": []any{"(unknown user)"}, "auditd.log.op": "login"}},
		{"an account created", `type=ADD_USER msg=audit(1610903553.730:591): pid=2945 uid=0 auid=1000 ses=14 msg='op=adding user to group wheel id=1004 exe="/usr/sbin/useradd" hostname=? addr=? terminal=pts/2 res=success'`,
			map[string]any{"auditd.log.op": "adding user to group wheel", "user.target.id": "1004", "user.id": "0", "event.category": []any{"iam"}, "source": nil}},
		{"a socket's address", `type=SOCKADDR msg=audit(1492752520.441:8832): saddr=0200E31C4853E6640000000000000000`,
			map[string]any{"auditd.log.laddr": "72.83.230.100", "auditd.log.lport": "58140", "auditd.log.saddr_fam": "inet", "network.type": "ipv4", "related.ip": []any{"72.83.230.100"}}},
		{"a socket's path (written)", `type=SOCKADDR msg=audit(1492752520.441:8832): saddr=01002F72756E2F7800`,
			map[string]any{"auditd.log.path": "/run/x", "auditd.log.saddr_fam": "local", "network": nil}},
		{"a path", `type=PATH msg=audit(1604994496.155:92734): item=0 name="/bin/grep" inode=61 dev=08:01 mode=0100755 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL`,
			map[string]any{"file.path": "/bin/grep", "file.inode": "61", "file.mode": "0100755", "file.uid": "0", "file.device": "08:01", "auditd.log.nametype": "NORMAL"}},
		{"an old form of the words around values", `type=USER_START msg=audit(1170021601.344:297): user pid=13015 uid=0 auid=0 subj=system_u:system_r:crond_t:s0-s0:c0.c1023 msg='PAM: session open acct=root : exe="/usr/sbin/crond" (hostname=?, addr=192.0.2.7, terminal=cron res=success)'`,
			map[string]any{"user.name": "root", "process.executable": "/usr/sbin/crond", "source.ip": "192.0.2.7", "event.outcome": "success", "auditd.log.terminal": "cron", "event.category": []any{"session"}}},
		{"a denial", `type=AVC msg=audit(1226874073.147:96): avc:  denied  { getattr open } for  pid=2465 comm="httpd" path="/var/www/html/file1" dev=dm-0 tclass=file`,
			map[string]any{"event.action": "violated-selinux-policy", "auditd.log.permissions": "getattr open", "auditd.log.result": "denied", "file.path": "/var/www/html/file1", "auditd.log.dev": "dm-0"}},
		{"a login", `type=LOGIN msg=audit(1489636960.072:19623791): pid=28281 uid=0 old-auid=4294967295 auid=700 tty=(none) old-ses=4294967295 ses=12286 res=1`,
			map[string]any{"user.id": "700", "user.audit.id": "700", "user.effective.id": "0", "auditd.log.old_auid": nil, "auditd.log.ses": "12286", "event.outcome": "success"}},
		{"what auditd could not read", "type=UNKNOWN[1329] msg=g\x05", map[string]any{"event.action": "unknown[1329]", "event.id": nil, "auditd.log.record_type": "UNKNOWN[1329]"}},
		{"nothing", `type=NOMSG msg=audit(1337845222.174:94984):`, map[string]any{"event.action": "nomsg", "auditd.log.sequence": 94984.0}},
	} {
		m := document(t, "linux-auditd", "", try.record)
		for path, want := range try.want {
			if got := m.at(path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s is %#v, want %#v", try.name, path, got, want)
			}
		}
		if m.index != "log-linux-audit-"+m.at("@timestamp").(string)[:7] {
			t.Errorf("%s: index %s", try.name, m.index)
		}
	}
}
