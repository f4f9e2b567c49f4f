package ecs

// auditFields are the keys whose value is an ECS field ("Audit event fields" of
// the audit project's documentation; user.audit, user.filesystem and user.saved
// are Elastic's). Those in capitals are what auditd adds with log_format =
// ENRICHED: the names of ids. Any other key becomes auditd.log.<key>, as
// Filebeat has it. In records of type PATH some keys tell of a file.
var auditFields = []struct {
	key, path string
	ofPath    bool
}{
	{"uid", "user.id", false}, {"auid", "user.audit.id", false}, {"euid", "user.effective.id", false}, {"suid", "user.saved.id", false}, {"fsuid", "user.filesystem.id", false},
	{"gid", "user.group.id", false}, {"egid", "user.effective.group.id", false}, {"sgid", "user.saved.group.id", false}, {"fsgid", "user.filesystem.group.id", false},
	{"UID", "user.name", false}, {"AUID", "user.audit.name", false}, {"EUID", "user.effective.name", false}, {"SUID", "user.saved.name", false}, {"FSUID", "user.filesystem.name", false},
	{"GID", "user.group.name", false}, {"EGID", "user.effective.group.name", false}, {"SGID", "user.saved.group.name", false}, {"FSGID", "user.filesystem.group.name", false},
	{"acct", "user.name", false}, {"user", "user.name", false}, {"ID", "user.target.name", false}, {"grp", "group.name", false},
	{"pid", "process.pid", false}, {"ppid", "process.parent.pid", false}, {"comm", "process.name", false}, {"exe", "process.executable", false},
	{"cwd", "process.working_directory", false}, {"proctitle", "process.title", false}, {"argc", "process.args_count", false},
	{"addr", "source.address", false}, {"src", "source.address", false}, {"hostname", "source.domain", false}, {"rport", "source.port", false},
	{"dst", "destination.address", false}, {"path", "file.path", false}, {"unit", "service.name", false}, {"arch", "host.architecture", false},
	{"name", "file.path", true}, {"inode", "file.inode", true}, {"mode", "file.mode", true}, {"dev", "file.device", true},
	{"ouid", "file.uid", true}, {"ogid", "file.gid", true}, {"OUID", "file.owner", true}, {"OGID", "file.group", true},
}

// auditSlotOf and auditPathSlotOf find the slot of a key among those of the step.
var auditSlotOf, auditPathSlotOf = func() (all, path map[string]int) {
	all, path = map[string]int{}, map[string]int{}
	for i, f := range auditFields {
		if f.ofPath {
			path[f.key] = auditFirstField + i
		} else {
			all[f.key] = auditFirstField + i
		}
	}
	return all, path
}()

// auditIDs are the keys of ids that have a name: that in capitals.
var auditIDs = map[string]bool{"uid": true, "auid": true, "euid": true, "suid": true, "fsuid": true, "gid": true, "egid": true, "sgid": true, "fsgid": true}

// auditEncoded are the keys whose values are written in hexadecimal where they
// hold a blank, a quote or a control character (the kernel's
// audit_log_untrustedstring; "encoded" in the field dictionary).
var auditEncoded = map[string]bool{
	"acct": true, "cmd": true, "comm": true, "cwd": true, "data": true, "dir": true, "exe": true, "file": true, "grp": true, "key": true, "name": true,
	"path": true, "proctitle": true, "root_dir": true, "sw": true, "vm": true, "watch": true,
}

// auditArchs are the names of architectures (linux/audit.h, AUDIT_ARCH_…).
var auditArchs = map[string][]byte{
	"c000003e": []byte("x86_64"), "40000003": []byte("i386"), "c00000b7": []byte("aarch64"), "40000028": []byte("arm"), "c0000015": []byte("ppc64le"), "80000015": []byte("ppc64"),
	"80000016": []byte("s390x"), "c00000f3": []byte("riscv64"), "c0000102": []byte("loongarch64"),
}

// auditExec are the numbers of execve and execveat, by architecture.
var auditExec = map[string]bool{
	"x86_64 59": true, "x86_64 322": true, "i386 11": true, "i386 358": true, "aarch64 221": true, "aarch64 281": true, "arm 11": true, "arm 387": true,
	"ppc64le 11": true, "ppc64le 362": true, "s390x 11": true, "s390x 354": true, "riscv64 221": true, "riscv64 281": true,
}

var auditExecuted = auditKind{"executed", texts("process"), texts("start")}

// auditKind is what a type of record means.
type auditKind struct {
	action            string
	categories, types [][]byte
}

func texts(all ...string) (list [][]byte) {
	for _, s := range all {
		list = append(list, []byte(s))
	}
	return list
}

// auditTypes are the types of records as Elastic normalises them, so that rules
// and dashboards for its documents fit; other types are their own action.
var auditTypes = map[string]auditKind{
	"ACCT_LOCK":                {"locked-account", texts("iam"), texts("user", "info")},
	"ACCT_UNLOCK":              {"unlocked-account", texts("iam"), texts("user", "info")},
	"ADD_GROUP":                {"added-group-account-to", texts("iam"), texts("group", "creation")},
	"ADD_USER":                 {"added-user-account", texts("iam"), texts("user", "creation")},
	"ANOM_ABEND":               {"crashed-program", texts("process", "intrusion_detection"), texts("end", "info")},
	"ANOM_ACCESS_FS":           {"accessed-watched-file-or-directory", texts("file", "intrusion_detection"), texts("access", "info")},
	"ANOM_ADD_ACCT":            {"added-user-account", texts("iam", "intrusion_detection"), texts("user", "creation", "info")},
	"ANOM_AMTU_FAIL":           {"abstract-machine-test-utility-failure", texts("intrusion_detection"), texts("info")},
	"ANOM_CRYPTO_FAIL":         {"crypto-system-test-failure", texts("intrusion_detection"), texts("info")},
	"ANOM_DEL_ACCT":            {"deleted-user-account", texts("iam", "intrusion_detection"), texts("user", "deletion", "info")},
	"ANOM_EXEC":                {"attempted-execution-of-forbidden-program", texts("process", "intrusion_detection"), texts("start", "info")},
	"ANOM_LINK":                {"used-suspicious-link", texts("file", "intrusion_detection"), texts("access", "info")},
	"ANOM_LOGIN_ACCT":          {"attempted-log-in-to-watched-account", texts("authentication", "intrusion_detection"), texts("start", "denied")},
	"ANOM_LOGIN_FAILURES":      {"failed-log-in-too-many-times-to", texts("authentication", "intrusion_detection"), texts("start", "denied")},
	"ANOM_LOGIN_LOCATION":      {"attempted-log-in-from-unusual-place-to", texts("authentication", "intrusion_detection"), texts("start", "denied")},
	"ANOM_LOGIN_SERVICE":       {"service-account-attempted-login", texts("authentication", "intrusion_detection"), texts("start", "denied")},
	"ANOM_LOGIN_SESSIONS":      {"opened-too-many-sessions-to", texts("authentication", "intrusion_detection"), texts("start", "denied")},
	"ANOM_LOGIN_TIME":          {"attempted-log-in-during-unusual-hour-to", texts("authentication", "intrusion_detection"), texts("start", "denied")},
	"ANOM_MAX_DAC":             {"max-discretionary-access-control-failures-reached", texts("intrusion_detection"), texts("info")},
	"ANOM_MAX_MAC":             {"max-mandatory-access-control-failures-reached", texts("intrusion_detection"), texts("info")},
	"ANOM_MK_EXE":              {"made-an-executable", texts("file", "intrusion_detection"), texts("change", "info")},
	"ANOM_MOD_ACCT":            {"modified-user-account", texts("iam", "intrusion_detection"), texts("user", "change", "info")},
	"ANOM_PROMISCUOUS":         {"changed-promiscuous-mode-on-device", texts("intrusion_detection"), texts("info", "change")},
	"ANOM_RBAC_FAIL":           {"rbac-self-test-failure", texts("intrusion_detection"), texts("info")},
	"ANOM_RBAC_INTEGRITY_FAIL": {"tested-file-system-integrity-of", texts("intrusion_detection"), texts("info")},
	"ANOM_ROOT_TRANS":          {"user-became-root", texts("authentication", "intrusion_detection"), texts("start", "info")},
	"CHGRP_ID":                 {"changed-group", texts("process"), texts("change")},
	"CHUSER_ID":                {"changed-user-id", texts("process"), texts("change")},
	"CONFIG_CHANGE":            {"changed-audit-configuration", texts("process", "configuration"), texts("change")},
	"CRED_ACQ":                 {"acquired-credentials", texts("authentication"), texts("info")},
	"CRED_DISP":                {"disposed-credentials", texts("authentication"), texts("info")},
	"CRED_REFR":                {"refreshed-credentials", texts("authentication"), texts("info")},
	"CRYPTO_KEY_USER":          {"negotiated-crypto-key", texts("process"), texts("info")},
	"CRYPTO_LOGIN":             {"crypto-officer-logged-in", nil, nil},
	"CRYPTO_LOGOUT":            {"crypto-officer-logged-out", texts("process"), texts("info")},
	"CRYPTO_SESSION":           {"started-crypto-session", texts("process"), texts("info")},
	"DAC_CHECK":                {"access-result", nil, nil},
	"DAEMON_ABORT":             {"aborted-auditd-startup", texts("process"), texts("end")},
	"DAEMON_ACCEPT":            {"remote-audit-connected", texts("network"), texts("connection", "start")},
	"DAEMON_CLOSE":             {"remote-audit-disconnected", texts("network"), texts("connection", "start")},
	"DAEMON_CONFIG":            {"changed-auditd-configuration", texts("process", "configuration"), texts("change")},
	"DAEMON_END":               {"shutdown-audit", texts("process"), texts("end")},
	"DAEMON_ERR":               {"audit-error", texts("process"), texts("info")},
	"DAEMON_RECONFIG":          {"reconfigured-auditd", texts("process", "configuration"), texts("info")},
	"DAEMON_RESUME":            {"resumed-audit-logging", texts("process"), texts("change")},
	"DAEMON_ROTATE":            {"rotated-audit-logs", texts("process"), texts("change")},
	"DAEMON_START":             {"started-audit", texts("process"), texts("start")},
	"DEL_GROUP":                {"deleted-group-account-from", texts("iam"), texts("group", "deletion")},
	"DEL_USER":                 {"deleted-user-account", texts("iam"), texts("user", "deletion")},
	"FEATURE_CHANGE":           {"changed-audit-feature", texts("configuration"), texts("change")},
	"FS_RELABEL":               {"relabeled-filesystem", nil, nil},
	"GRP_AUTH":                 {"authenticated-to-group", texts("authentication"), texts("info")},
	"GRP_CHAUTHTOK":            {"changed-group-password", texts("iam"), texts("group", "change")},
	"GRP_MGMT":                 {"modified-group-account", texts("iam"), texts("group", "change")},
	"KERNEL":                   {"initialized-audit-subsystem", texts("process"), texts("info")},
	"KERN_MODULE":              {"loaded-kernel-module", texts("driver"), texts("start")},
	"LABEL_LEVEL_CHANGE":       {"modified-level-of", nil, nil},
	"LABEL_OVERRIDE":           {"overrode-label-of", nil, nil},
	"LOGIN":                    {"changed-login-id-to", texts("authentication"), texts("start")},
	"MAC_CHECK":                {"mac-permission", nil, nil},
	"MAC_CONFIG_CHANGE":        {"changed-selinux-boolean", texts("configuration"), texts("change")},
	"MAC_POLICY_LOAD":          {"loaded-selinux-policy", texts("configuration"), texts("access")},
	"MAC_STATUS":               {"changed-selinux-enforcement", texts("configuration"), texts("change")},
	"NETFILTER_CFG":            {"loaded-firewall-rule-to", texts("configuration"), texts("change")},
	"ROLE_ASSIGN":              {"assigned-user-role-to", texts("iam"), texts("user", "change")},
	"ROLE_MODIFY":              {"modified-role", texts("iam"), texts("change")},
	"ROLE_REMOVE":              {"removed-user-role-from", texts("iam"), texts("user", "change")},
	"SECCOMP":                  {"violated-seccomp-policy", nil, nil},
	"SELINUX_ERR":              {"caused-mac-policy-error", nil, nil},
	"SERVICE_START":            {"started-service", texts("process"), texts("start")},
	"SERVICE_STOP":             {"stopped-service", texts("process"), texts("end")},
	"SOFTWARE_UPDATE":          {"package-updated", texts("package"), texts("info")},
	"SYSCALL":                  {"syscall", texts("process"), texts("info")},
	"SYSTEM_BOOT":              {"booted-system", texts("host"), texts("start")},
	"SYSTEM_RUNLEVEL":          {"changed-to-runlevel", texts("host"), texts("change")},
	"SYSTEM_SHUTDOWN":          {"shutdown-system", texts("host"), texts("end")},
	"TEST":                     {"sent-test", texts("process"), texts("info")},
	"TIME_ADJNTPVAL":           {"changed-system-time", texts("host"), texts("change")},
	"TIME_INJOFFSET":           {"changed-system-time", texts("host"), texts("change")},
	"TTY":                      {"typed", nil, nil},
	"USER":                     {"sent-message", nil, nil},
	"USER_ACCT":                {"was-authorized", texts("authentication"), texts("info")},
	"USER_AUTH":                {"authenticated", texts("authentication"), texts("info")},
	"USER_AVC":                 {"access-permission", nil, nil},
	"USER_CHAUTHTOK":           {"changed-password", texts("iam"), texts("user", "change")},
	"USER_CMD":                 {"ran-command", texts("process"), texts("start")},
	"USER_END":                 {"ended-session", texts("session"), texts("end")},
	"USER_ERR":                 {"error", texts("authentication"), texts("info")},
	"USER_LOGIN":               {"logged-in", texts("authentication"), texts("start")},
	"USER_LOGOUT":              {"logged-out", texts("authentication"), texts("end")},
	"USER_MAC_CONFIG_CHANGE":   {"changed-mac-configuration", texts("configuration"), texts("change")},
	"USER_MAC_POLICY_LOAD":     {"loaded-mac-policy", texts("configuration"), texts("access")},
	"USER_MGMT":                {"modified-user-account", texts("iam"), texts("user", "change")},
	"USER_ROLE_CHANGE":         {"changed-role-to", nil, nil},
	"USER_SELINUX_ERR":         {"access-error", nil, nil},
	"USER_START":               {"started-session", texts("session"), texts("start")},
	"USER_TTY":                 {"typed", nil, nil},
	"USYS_CONFIG":              {"changed-configuration", texts("configuration"), texts("change")},
	"VIRT_CONTROL":             {"issued-vm-control", texts("host"), texts("info")},
	"VIRT_CREATE":              {"created-vm-image", texts("host"), texts("info")},
	"VIRT_DESTROY":             {"deleted-vm-image", texts("host"), texts("info")},
	"VIRT_INTEGRITY_CHECK":     {"checked-integrity-of", texts("host"), texts("info")},
	"VIRT_MACHINE_ID":          {"assigned-vm-id", texts("host"), texts("info")},
	"VIRT_MIGRATE_IN":          {"migrated-vm-from", texts("host"), texts("info")},
	"VIRT_MIGRATE_OUT":         {"migrated-vm-to", texts("host"), texts("info")},
	"VIRT_RESOURCE":            {"assigned-vm-resource", texts("host"), texts("info")},
}
