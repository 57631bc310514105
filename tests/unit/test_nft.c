// SPDX-License-Identifier: GPL-2.0
/*
 * Which nftables rules would have met what turnctl relays: nft_match.h, nft_rules.h, nft_judge.h.
 * The rules are as libnftables 1.0.6 prints them (`nft -j list ruleset`), each beside the rule as
 * it was typed. And what is made of a kernel that does not tell: nft.h.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nft.h"
#include "nft_judge.h"

#define LISTENER 3478
#define SERVER 0x0a070102 /* 10.7.1.2 */
#define RELAY 0x0a070202

/* Clients behind srv0, at port 3478; peers behind srv0 and srv1, at 49152 to 65535. */
static const struct turnctl_nft_flow flows[TURNCTL_NFT_WAYS] = {
	{ .way = TURNCTL_NFT_FROM_CLIENTS, .low = LISTENER, .high = LISTENER,
	  .device = { "srv0" }, .devices = 1, .address = { SERVER, RELAY }, .addresses = 2 },
	{ .way = TURNCTL_NFT_FROM_PEERS, .low = 49152, .high = 65535,
	  .device = { "srv0", "srv1" }, .devices = 2, .address = { SERVER, RELAY },
	  .addresses = 2 },
	{ .way = TURNCTL_NFT_TO_PEERS, .low = 49152, .high = 65535,
	  .device = { "srv0", "srv1" }, .devices = 2, .address = { SERVER, RELAY },
	  .addresses = 2 },
	{ .way = TURNCTL_NFT_TO_CLIENTS, .low = LISTENER, .high = LISTENER,
	  .device = { "srv0" }, .devices = 1, .address = { SERVER, RELAY }, .addresses = 2 },
};

/* Clients behind p1, a port of bond0, which is one of br0. */
static const struct turnctl_nft_flow port_flows[] = {
	{ .way = TURNCTL_NFT_FROM_CLIENTS, .low = LISTENER, .high = LISTENER,
	  .device = { "p1", "bond0", "br0" }, .port = { true, true }, .devices = 3 },
	{ .way = TURNCTL_NFT_TO_CLIENTS, .low = LISTENER, .high = LISTENER,
	  .device = { "p1", "bond0", "br0" }, .port = { true, true }, .devices = 3 },
};

#define CLIENTS (1 << TURNCTL_NFT_FROM_CLIENTS)
#define PEERS (1 << TURNCTL_NFT_FROM_PEERS)
#define TO_PEERS (1 << TURNCTL_NFT_TO_PEERS)
#define TO_CLIENTS (1 << TURNCTL_NFT_TO_CLIENTS)

/* what stands in the ruleset beside the rules in question */
#define SETS                                                                                       \
	"{'set':{'family':'inet','name':'blk','table':'t','type':'ipv4_addr','handle':2,"          \
	"'flags':['interval'],'elem':[{'prefix':{'addr':'10.0.0.0','len':8}},"                     \
	"{'range':['192.168.1.1','192.168.1.9']}]}},"                                              \
	"{'set':{'family':'inet','name':'prt','table':'t','type':'inet_service','handle':3,"       \
	"'flags':['interval','timeout'],'elem':[{'elem':{'val':3478,'timeout':3600,"               \
	"'expires':3599}},{'range':[5000,6000]}]}},"                                               \
	"{'set':{'family':'inet','name':'web','table':'t','type':'inet_service','handle':4,"       \
	"'elem':[80,443]}},"                                                                       \
	"{'set':{'family':'inet','name':'none','table':'t','type':'ipv4_addr','handle':5}},"       \
	"{'set':{'family':'inet','name':'lim','table':'t','type':'inet_service','handle':6,"       \
	"'size':9,'flags':['dynamic'],'elem':[{'elem':{'val':3478,'limit':{'rate':100,'burst':5,"  \
	"'per':'second','inv':true}}}],'stmt':[{'limit':{'rate':100,'burst':5,'per':'second',"     \
	"'inv':true}}]}},"                                                                         \
	"{'map':{'family':'inet','name':'vm','table':'t','type':'inet_service','handle':7,"        \
	"'map':'verdict','elem':[[80,{'accept':null}],[3478,{'drop':null}]]}},"
/* a chain that drops, and one that only counts web servers' packets */
#define CHAINS                                                                                     \
	"{'chain':{'family':'inet','table':'t','name':'sub','handle':8}},"                         \
	"{'rule':{'family':'inet','table':'t','chain':'sub','handle':90,'expr':["                  \
	"{'counter':{'packets':0,'bytes':0}},{'drop':null}]}},"                                    \
	"{'chain':{'family':'inet','table':'t','name':'web','handle':9}},"                         \
	"{'rule':{'family':'inet','table':'t','chain':'web','handle':91,'expr':["                  \
	"{'match':{'op':'==','left':{'payload':{'protocol':'tcp','field':'dport'}},'right':80}},"  \
	"{'counter':{'packets':0,'bytes':0}}]}},"

static struct json_object *parse(char *text)
{
	struct json_object *object;
	char *at;

	for (at = text; *at; at++)
		if (*at == '\'')
			*at = '"';
	object = json_tokener_parse(text);
	if (!object)
		print_error("not JSON: %s\n", text);
	assert_non_null(object);
	return object;
}

struct verdict {
	int count; /* rules that are met */
	unsigned int ways, effects;
	bool surely;
	long handle; /* of the first */
};

/* What @packets meet in a chain with @rules, each an array of statements, separated by ';'. */
static struct verdict judged_of(const struct turnctl_nft_flow *packets, int count, bool bridge,
				const char *family, const char *name, const char *type,
				const char *hook, const char *more, const char *rules)
{
	struct turnctl_nft_meeting list[16];
	struct json_object *ruleset;
	struct verdict verdict = {};
	char text[16384], *at = text, *end = text + sizeof(text);
	const char *next;
	int handle = 10;

	at += snprintf(at, end - at, "{'nftables':[{'metainfo':{'json_schema_version':1}},"
		       SETS CHAINS "{'chain':{'family':'%s','table':'t','name':'%s','handle':1,"
		       "'type':'%s','hook':'%s','prio':0%s}}", family, name, type, hook, more);
	for (; rules; rules = next ? next + 1 : NULL) {
		next = strchr(rules, ';');
		at += snprintf(at, end - at, ",{'rule':{'family':'%s','table':'t','chain':'%s',"
			       "'handle':%d,'expr':[%.*s]}}", family, name, handle++,
			       next ? (int)(next - rules) : (int)strlen(rules), rules);
	}
	snprintf(at, end - at, "]}");
	ruleset = parse(text);
	verdict.count = turnctl_nft_judge(ruleset, packets, count, bridge, list, 16);
	if (verdict.count) {
		verdict.ways = list[0].ways;
		verdict.effects = list[0].effects;
		verdict.surely = list[0].surely;
		verdict.handle = list[0].handle;
	}
	json_object_put(ruleset);
	return verdict;
}

static struct verdict judged(const char *family, const char *name, const char *type,
			     const char *hook, const char *more, const char *rules)
{
	return judged_of(flows, TURNCTL_NFT_WAYS, false, family, name, type, hook, more, rules);
}

/* ---- one match and a drop behind it ---------------------------------------------------------- */

#define META(key, op, right) "{'match':{'op':'" op "','left':{'meta':{'key':'" key "'}},'right':" \
	right "}}"
#define PAYLOAD(protocol, field, op, right) "{'match':{'op':'" op "','left':{'payload':"           \
	"{'protocol':'" protocol "','field':'" field "'}},'right':" right "}}"
#define CT(op, right) "{'match':{'op':'" op "','left':{'ct':{'key':'state'}},'right':" right "}}"
#define DROP "{'drop':null}"
#define ACCEPT "{'accept':null}"
#define COUNTER "{'counter':{'packets':0,'bytes':0}}"

static const struct match_case {
	const char *rule; /* as typed, before its drop */
	const char *hook;
	const char *match;
	unsigned int ways; /* which it meets */
	bool surely;
} match_cases[] = {
	/* protocols and families */
	{ "(nothing)", "input", COUNTER, CLIENTS | PEERS, true },
	{ "meta l4proto udp", "input", META("l4proto", "==", "'udp'"), CLIENTS | PEERS, true },
	{ "meta l4proto tcp", "input", META("l4proto", "==", "'tcp'"), 0, false },
	{ "meta l4proto { tcp, udp }", "input", META("l4proto", "==", "{'set':['tcp','udp']}"),
	  CLIENTS | PEERS, true },
	{ "meta l4proto != udp", "input", META("l4proto", "!=", "'udp'"), 0, false },
	{ "meta l4proto 17", "input", META("l4proto", "==", "17"), CLIENTS | PEERS, true },
	{ "ip protocol icmp", "input", PAYLOAD("ip", "protocol", "==", "'icmp'"), 0, false },
	{ "ip protocol udp", "input", PAYLOAD("ip", "protocol", "==", "'udp'"), CLIENTS | PEERS,
	  true },
	{ "tcp dport 3478", "input", PAYLOAD("tcp", "dport", "==", "3478"), 0, false },
	{ "tcp dport != 3478", "input", PAYLOAD("tcp", "dport", "!=", "3478"), 0, false },
	{ "tcp dport < 3478", "input", PAYLOAD("tcp", "dport", "<", "3478"), 0, false },
	{ "icmp type echo-request", "input", PAYLOAD("icmp", "type", "==", "'echo-request'"), 0,
	  false },
	{ "ip6 nexthdr udp", "input", PAYLOAD("ip6", "nexthdr", "==", "'udp'"), 0, false },
	{ "meta nfproto ipv4", "input", META("nfproto", "==", "'ipv4'"), CLIENTS | PEERS, true },
	{ "meta nfproto ipv6", "input", META("nfproto", "==", "'ipv6'"), 0, false },
	{ "meta protocol ip", "input", META("protocol", "==", "'ip'"), CLIENTS | PEERS, true },
	{ "meta protocol arp", "input", META("protocol", "==", "'arp'"), 0, false },
	{ "ether type ip", "input", PAYLOAD("ether", "type", "==", "'ip'"), CLIENTS | PEERS, true },
	{ "meta pkttype broadcast", "input", META("pkttype", "==", "'broadcast'"), 0, false },
	/* ports */
	{ "udp dport 3478", "input", PAYLOAD("udp", "dport", "==", "3478"), CLIENTS, true },
	{ "udp dport 3479", "input", PAYLOAD("udp", "dport", "==", "3479"), 0, false },
	{ "udp dport != 53", "input", PAYLOAD("udp", "dport", "!=", "53"), CLIENTS | PEERS, true },
	{ "udp dport != 3478", "input", PAYLOAD("udp", "dport", "!=", "3478"), PEERS, true },
	{ "th dport 3478", "input", PAYLOAD("th", "dport", "==", "3478"), CLIENTS, true },
	{ "udp dport 53-3500", "input", PAYLOAD("udp", "dport", "==", "{'range':[53,3500]}"),
	  CLIENTS, true },
	{ "udp dport { 3478, 49152-65535 }", "input",
	  PAYLOAD("udp", "dport", "==", "{'set':[3478,{'range':[49152,65535]}]}"), CLIENTS | PEERS,
	  true },
	{ "udp dport 50000-51000", "input",
	  PAYLOAD("udp", "dport", "==", "{'range':[50000,51000]}"), PEERS, false },
	{ "udp dport < 1024", "input", PAYLOAD("udp", "dport", "<", "1024"), 0, false },
	{ "udp dport > 1024", "input", PAYLOAD("udp", "dport", ">", "1024"), CLIENTS | PEERS,
	  true },
	{ "udp dport > 3478", "input", PAYLOAD("udp", "dport", ">", "3478"), PEERS, true },
	{ "udp dport <= 3478", "input", PAYLOAD("udp", "dport", "<=", "3478"), CLIENTS, true },
	{ "udp dport >= 65535", "input", PAYLOAD("udp", "dport", ">=", "65535"), PEERS, false },
	{ "udp sport 3478", "input", PAYLOAD("udp", "sport", "==", "3478"), CLIENTS | PEERS,
	  false },
	{ "udp sport 3478", "output", PAYLOAD("udp", "sport", "==", "3478"), TO_CLIENTS, true },
	{ "udp dport 3478", "output", PAYLOAD("udp", "dport", "==", "3478"),
	  TO_CLIENTS | TO_PEERS, false },
	{ "udp sport 49152-65535", "postrouting",
	  PAYLOAD("udp", "sport", "==", "{'range':[49152,65535]}"), TO_PEERS, true },
	{ "udp dport & 1 == 1", "input",
	  "{'match':{'op':'==','left':{'&':[{'payload':{'protocol':'udp','field':'dport'}},1]},"
	  "'right':1}}", CLIENTS | PEERS, false },
	{ "udp length > 1000", "input", PAYLOAD("udp", "length", ">", "1000"), CLIENTS | PEERS,
	  false },
	/* devices */
	{ "iifname srv0", "input", META("iifname", "==", "'srv0'"), CLIENTS | PEERS, true },
	{ "iifname srv1", "input", META("iifname", "==", "'srv1'"), PEERS, false },
	{ "iifname srv*", "input", META("iifname", "==", "'srv*'"), CLIENTS | PEERS, true },
	{ "iifname eth0", "input", META("iifname", "==", "'eth0'"), 0, false },
	{ "iif lo", "input", META("iif", "==", "'lo'"), 0, false },
	{ "iifname != lo", "input", META("iifname", "!=", "'lo'"), CLIENTS | PEERS, true },
	{ "iifname { srv0, eth* }", "input", META("iifname", "==", "{'set':['eth*','srv0']}"),
	  CLIENTS | PEERS, true },
	{ "oifname srv0", "output", META("oifname", "==", "'srv0'"), TO_CLIENTS | TO_PEERS, true },
	{ "iifname srv0", "output", META("iifname", "==", "'srv0'"), 0, false },
	{ "oifname srv0", "prerouting", META("oifname", "==", "'srv0'"), 0, false },
	{ "oifname != docker0", "postrouting", META("oifname", "!=", "'docker0'"),
	  TO_CLIENTS | TO_PEERS, true },
	/* addresses */
	{ "ip daddr 10.7.1.2", "input", PAYLOAD("ip", "daddr", "==", "'10.7.1.2'"),
	  CLIENTS | PEERS, false },
	{ "ip daddr 10.7.0.0/16", "input",
	  PAYLOAD("ip", "daddr", "==", "{'prefix':{'addr':'10.7.0.0','len':16}}"),
	  CLIENTS | PEERS, true },
	{ "ip daddr 192.0.2.1", "input", PAYLOAD("ip", "daddr", "==", "'192.0.2.1'"), 0, false },
	{ "ip saddr 192.0.2.1", "input", PAYLOAD("ip", "saddr", "==", "'192.0.2.1'"),
	  CLIENTS | PEERS, false },
	{ "ip saddr 192.0.2.1", "output", PAYLOAD("ip", "saddr", "==", "'192.0.2.1'"), 0, false },
	{ "ip saddr 0.0.0.0/0", "input",
	  PAYLOAD("ip", "saddr", "==", "{'prefix':{'addr':'0.0.0.0','len':0}}"), CLIENTS | PEERS,
	  true },
	{ "ip saddr @blk", "input", PAYLOAD("ip", "saddr", "==", "'@blk'"), CLIENTS | PEERS,
	  false },
	{ "ip daddr @blk", "input", PAYLOAD("ip", "daddr", "==", "'@blk'"), CLIENTS | PEERS, true },
	{ "ip daddr != @blk", "input", PAYLOAD("ip", "daddr", "!=", "'@blk'"), 0, false },
	{ "ip saddr @none", "input", PAYLOAD("ip", "saddr", "==", "'@none'"), CLIENTS | PEERS,
	  false },
	{ "ip6 saddr fe80::/10", "input",
	  PAYLOAD("ip6", "saddr", "==", "{'prefix':{'addr':'fe80::','len':10}}"), 0, false },
	/* sets of ports, with timeouts; concatenations; what is not understood */
	{ "udp dport @prt", "input", PAYLOAD("udp", "dport", "==", "'@prt'"), CLIENTS, true },
	{ "udp dport @web", "input", PAYLOAD("udp", "dport", "==", "'@web'"), 0, false },
	{ "udp dport @lim", "input", PAYLOAD("udp", "dport", "==", "'@lim'"), CLIENTS, false },
	{ "udp dport @unheard", "input", PAYLOAD("udp", "dport", "==", "'@unheard'"),
	  CLIENTS | PEERS, false },
	{ "iifname . udp dport { srv0 . 3478 }", "input",
	  "{'match':{'op':'==','left':{'concat':[{'meta':{'key':'iifname'}},{'payload':"
	  "{'protocol':'udp','field':'dport'}}]},'right':{'set':[{'concat':['srv0',3478]}]}}}",
	  CLIENTS, true },
	{ "iifname . udp dport { lo . 3478 }", "input",
	  "{'match':{'op':'==','left':{'concat':[{'meta':{'key':'iifname'}},{'payload':"
	  "{'protocol':'udp','field':'dport'}}]},'right':{'set':[{'concat':['lo',3478]}]}}}",
	  0, false },
	{ "fib daddr type local", "input",
	  "{'match':{'op':'==','left':{'fib':{'result':'type','flags':['daddr']}},"
	  "'right':'local'}}", CLIENTS | PEERS, false },
	{ "numgen random mod 2 0", "input",
	  "{'match':{'op':'==','left':{'numgen':{'mode':'random','mod':2,'offset':0}},'right':0}}",
	  CLIENTS | PEERS, false },
	{ "xt match multiport", "input", "{'xt':{'type':'match','name':'multiport'}}",
	  CLIENTS | PEERS, false },
	{ "xt match comment", "input", "{'xt':{'type':'match','name':'comment'}}",
	  CLIENTS | PEERS, true },
	{ "(nonsense)", "input", "{'match':{'op':'~','left':17}}", CLIENTS | PEERS, false },
	{ "(nonsense)", "input", "{'match':null}", CLIENTS | PEERS, false },
	{ "(nonsense)", "input", "17", CLIENTS | PEERS, false },
	/* connection tracking: what is relayed is established, one's own first words are new */
	{ "ct state established,related", "input", CT("in", "['established','related']"),
	  CLIENTS | PEERS, true },
	{ "ct state new", "input", CT("in", "'new'"), 0, false },
	{ "ct state new", "output", CT("in", "'new'"), TO_PEERS, false },
	{ "ct state invalid", "input", CT("in", "'invalid'"), 0, false },
	{ "ct state != established", "input", CT("!=", "'established'"), 0, false },
	/* chains that our packets do not pass */
	{ "udp dport 3478", "forward", PAYLOAD("udp", "dport", "==", "3478"), 0, false },
};

static void knows_what_a_rule_would_match(void **state)
{
	const struct match_case *c;
	struct verdict is;
	char rules[1024];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(match_cases) / sizeof(*match_cases); i++) {
		c = &match_cases[i];
		snprintf(rules, sizeof(rules), "%s," DROP, c->match);
		is = judged("inet", "c", "filter", c->hook, ",'policy':'accept'", rules);
		if (is.ways != c->ways || is.surely != c->surely)
			fail_msg("%s drop, at %s: ways %x%s, not %x%s", c->rule, c->hook, is.ways,
				 is.surely ? " surely" : "", c->ways, c->surely ? " surely" : "");
	}
}

/* ---- what rules do, and which of them are reached -------------------------------------------- */

#define PORT PAYLOAD("udp", "dport", "==", "3478")
#define LIMIT "{'limit':{'rate':10,'burst':5,'per':'second'}}"
#define JUMP(chain) "{'jump':{'target':'" chain "'}}"
#define POLICY_DROP ",'policy':'drop'"

static const struct rules_case {
	const char *name;
	const char *family, *chain, *type, *hook, *more, *rules;
	int count;
	unsigned int effects;
	long handle;
} rules_cases[] = {
	{ "accepts only", "inet", "in", "filter", "input", "", PORT "," ACCEPT, 0, 0, 0 },
	{ "counts", "inet", "in", "filter", "input", "", PORT "," COUNTER "," ACCEPT, 1,
	  TURNCTL_NFT_COUNTS, 10 },
	{ "limits", "ip", "in", "filter", "input", "", PORT "," LIMIT "," ACCEPT, 1,
	  TURNCTL_NFT_LIMITS, 10 },
	{ "rejects", "inet", "in", "filter", "input", "",
	  PORT ",{'reject':{'type':'icmpx','expr':'port-unreachable'}}", 1, TURNCTL_NFT_REJECTS,
	  10 },
	{ "logs", "inet", "in", "filter", "input", "", PORT ",{'log':{'prefix':'x '}}," ACCEPT, 1,
	  TURNCTL_NFT_LOGS, 10 },
	{ "marks", "inet", "in", "filter", "input", "",
	  PORT ",{'mangle':{'key':{'meta':{'key':'mark'}},'value':1}}", 1, TURNCTL_NFT_CHANGES,
	  10 },
	{ "sets DSCP", "inet", "out", "filter", "output", "",
	  "{'mangle':{'key':{'payload':{'protocol':'ip','field':'dscp'}},'value':'cs1'}}", 1,
	  TURNCTL_NFT_CHANGES, 10 },
	{ "queues", "inet", "in", "filter", "input", "", PORT ",{'queue':{'num':1}}", 1,
	  TURNCTL_NFT_QUEUES, 10 },
	{ "remembers", "inet", "in", "filter", "input", "",
	  "{'set':{'op':'update','elem':{'payload':{'protocol':'ip','field':'saddr'}},"
	  "'set':'@none'}}", 1, TURNCTL_NFT_NOTES, 10 },
	/* a limit for each element of a set ends the rule for those that are within it */
	{ "remembers, limits and drops", "inet", "in", "filter", "input", "",
	  "{'set':{'op':'update','elem':{'payload':{'protocol':'ip','field':'saddr'}},"
	  "'set':'@none','stmt':[" COUNTER "," LIMIT "]}}," DROP ";" PORT "," DROP, 2,
	  TURNCTL_NFT_NOTES | TURNCTL_NFT_LIMITS | TURNCTL_NFT_DROPS, 10 },
	{ "remembers by quota and drops", "inet", "in", "filter", "input", "",
	  "{'set':{'op':'update','elem':{'payload':{'protocol':'ip','field':'saddr'}},"
	  "'set':'@none','stmt':[{'quota':{'val':10,'val_unit':'mbytes','inv':true}}]}}," DROP ";"
	  PORT "," DROP, 2, TURNCTL_NFT_NOTES | TURNCTL_NFT_LIMITS | TURNCTL_NFT_DROPS, 10 },
	{ "remembers in a map, limits and drops", "inet", "in", "filter", "input", "",
	  "{'map':{'op':'update','elem':{'payload':{'protocol':'ip','field':'saddr'}},"
	  "'data':{'payload':{'protocol':'udp','field':'dport'}},'map':'@vm','stmt':["
	  "{'ct count':{'val':3,'inv':true}}]}}," DROP ";" PORT "," DROP, 2,
	  TURNCTL_NFT_NOTES | TURNCTL_NFT_LIMITS | TURNCTL_NFT_DROPS, 10 },
	{ "remembers in a set that limits, and drops", "inet", "in", "filter", "input", "",
	  "{'set':{'op':'update','elem':{'payload':{'protocol':'ip','field':'saddr'}},"
	  "'set':'@lim'}}," DROP ";" PORT "," DROP, 2,
	  TURNCTL_NFT_NOTES | TURNCTL_NFT_LIMITS | TURNCTL_NFT_DROPS, 10 },
	{ "remembers, counts and drops", "inet", "in", "filter", "input", "",
	  "{'set':{'op':'update','elem':{'payload':{'protocol':'ip','field':'saddr'}},"
	  "'set':'@none','stmt':[" COUNTER "]}}," DROP ";" PORT "," DROP, 1,
	  TURNCTL_NFT_NOTES | TURNCTL_NFT_DROPS, 10 },
	{ "does what we do not know", "inet", "in", "filter", "input", "",
	  PORT ",{'sparkle':{'much':1}}", 1, TURNCTL_NFT_OTHERWISE, 10 },
	/* statements for IPv6 and TCP, whose match is not in JSON: the rule ends, and no more */
	{ "translates IPv6", "inet", "pre", "nat", "prerouting", "",
	  "{'dnat':{'family':'ip6','addr':'2001:db8::1'}};" PORT ",{'dnat':{'family':'ip',"
	  "'addr':'10.0.0.1'}}", 1, TURNCTL_NFT_TRANSLATES, 11 },
	{ "translates the source of IPv6", "inet", "post", "nat", "postrouting", "",
	  COUNTER ",{'snat':{'family':'ip6','addr':'2001:db8::1'}}", 1, TURNCTL_NFT_COUNTS, 10 },
	{ "takes IPv6 for a proxy", "inet", "pre", "filter", "prerouting", "",
	  META("l4proto", "==", "'udp'") ",{'tproxy':{'family':'ip6','port':80}}," COUNTER, 0, 0,
	  0 },
	{ "sets DSCP of IPv6", "inet", "out", "filter", "output", "",
	  "{'mangle':{'key':{'payload':{'protocol':'ip6','field':'dscp'}},'value':'cs1'}}," DROP ";"
	  PAYLOAD("udp", "sport", "==", "3478") "," COUNTER, 1, TURNCTL_NFT_COUNTS, 11 },
	{ "sets a port of TCP", "inet", "out", "filter", "output", "",
	  "{'mangle':{'key':{'payload':{'protocol':'tcp','field':'dport'}},'value':80}}," DROP, 0,
	  0, 0 },
	{ "sets an option of TCP", "inet", "out", "filter", "output", "",
	  "{'mangle':{'key':{'tcp option':{'name':'maxseg','field':'size'}},'value':1000}}," DROP,
	  0, 0, 0 },
	{ "takes an option from TCP", "inet", "out", "filter", "output", "",
	  "{'reset':{'tcp option':{'name':'sack-perm'}}}," DROP, 0, 0, 0 },
	{ "answers for TCP", "inet", "in", "filter", "input", "",
	  "{'synproxy':{'mss':1460}}," DROP, 0, 0, 0 },
	{ "rejects IPv6", "inet", "in", "filter", "input", "",
	  "{'reject':{'type':'icmpv6','expr':'port-unreachable'}};" PORT "," DROP, 1,
	  TURNCTL_NFT_DROPS, 11 },
	{ "rejects TCP", "ip", "in", "filter", "input", "",
	  "{'reject':{'type':'tcp reset'}};" PORT "," DROP, 1, TURNCTL_NFT_DROPS, 11 },
	{ "rejects IPv4", "inet", "in", "filter", "input", "",
	  "{'reject':{'type':'icmp','expr':'port-unreachable'}};" PORT "," DROP, 1,
	  TURNCTL_NFT_REJECTS, 10 },
	/* NAT sees the first packet only, whatever becomes of the rest */
	{ "translates", "ip", "pre", "nat", "prerouting", "",
	  PORT ",{'dnat':{'addr':'1.2.3.4'}}", 1, TURNCTL_NFT_TRANSLATES, 10 },
	{ "translates what is new", "ip", "pre", "nat", "prerouting", "",
	  CT("in", "'new'") "," PORT ",{'redirect':{'port':99}}", 1, TURNCTL_NFT_TRANSLATES, 10 },
	{ "translates, and accepts what is established", "ip", "pre", "nat", "prerouting", "",
	  CT("in", "'established'") "," ACCEPT ";" PORT ",{'redirect':{'port':99}}", 1,
	  TURNCTL_NFT_TRANSLATES, 11 },
	{ "masquerades", "ip", "post", "nat", "postrouting", "",
	  META("oifname", "==", "'srv0'") ",{'masquerade':null}", 1, TURNCTL_NFT_TRANSLATES, 10 },
	{ "translates what is sent to clients", "ip", "post", "nat", "postrouting", "",
	  PAYLOAD("udp", "sport", "==", "3478") ",{'masquerade':null}", 0, 0, 0 },
	{ "masquerades by another device", "ip", "post", "nat", "postrouting", "",
	  META("oifname", "==", "'wlan0'") ",{'masquerade':null}", 0, 0, 0 },
	/* what stands before decides */
	{ "accepted before", "inet", "in", "filter", "input", "",
	  META("l4proto", "==", "'udp'") "," ACCEPT ";" PORT "," DROP, 0, 0, 0 },
	{ "perhaps accepted before", "inet", "in", "filter", "input", "",
	  PAYLOAD("ip", "saddr", "==", "'192.0.2.1'") "," ACCEPT ";" PORT "," DROP, 1,
	  TURNCTL_NFT_DROPS, 11 },
	{ "a limited accept lets the rest go on", "inet", "in", "filter", "input", "",
	  PORT "," LIMIT "," ACCEPT ";" PORT "," DROP, 2, TURNCTL_NFT_LIMITS, 10 },
	{ "established is accepted, new is dropped", "inet", "in", "filter", "input", POLICY_DROP,
	  CT("in", "['established','related']") "," ACCEPT ";" PORT "," DROP, 1,
	  TURNCTL_NFT_TRACKS, 10 },
	{ "the same by a map", "inet", "in", "filter", "input", POLICY_DROP,
	  "{'vmap':{'key':{'ct':{'key':'state'}},'data':{'set':[['invalid',{'drop':null}],"
	  "['established',{'accept':null}]]}}};" PORT "," DROP, 1, TURNCTL_NFT_TRACKS, 10 },
	{ "not tracked, so not surely established", "inet", "in", "filter", "input", "",
	  PORT ",{'notrack':null};" CT("in", "'established'") "," ACCEPT ";" PORT "," DROP, 2,
	  TURNCTL_NFT_TRACKS, 11 },
	{ "returns before", "inet", "in", "filter", "input", "",
	  META("l4proto", "==", "'udp'") ",{'return':null};" PORT "," DROP, 0, 0, 0 },
	/* policies */
	{ "policy drop", "inet", "in", "filter", "input", POLICY_DROP,
	  PAYLOAD("tcp", "dport", "==", "22") "," ACCEPT, 1, TURNCTL_NFT_DROPS, 0 },
	{ "policy drop, all dropped before", "inet", "in", "filter", "input", POLICY_DROP, DROP, 1,
	  TURNCTL_NFT_DROPS, 10 },
	{ "policy drop, all accepted", "inet", "in", "filter", "input", POLICY_DROP,
	  PAYLOAD("udp", "dport", "==", "{'set':[3478,{'range':[49152,65535]}]}") "," ACCEPT, 0, 0,
	  0 },
	{ "policy drop, perhaps accepted", "inet", "in", "filter", "input", POLICY_DROP,
	  PAYLOAD("ip", "saddr", "==", "'192.0.2.1'") "," ACCEPT, 0, 0, 0 },
	{ "policy drop of what is forwarded", "inet", "fwd", "filter", "forward", POLICY_DROP,
	  COUNTER, 0, 0, 0 },
	/* other chains, maps */
	{ "jumps", "inet", "in", "filter", "input", "", PORT "," JUMP("sub"), 1,
	  TURNCTL_NFT_DROPS | TURNCTL_NFT_COUNTS, 90 },
	{ "jumps and is dropped there", "inet", "in", "filter", "input", POLICY_DROP,
	  META("l4proto", "==", "'udp'") "," JUMP("sub") ";" PORT "," COUNTER, 1,
	  TURNCTL_NFT_DROPS | TURNCTL_NFT_COUNTS, 90 },
	{ "jumps for others", "inet", "in", "filter", "input", "",
	  PAYLOAD("udp", "dport", "==", "53") "," JUMP("sub"), 0, 0, 0 },
	{ "jumps and comes back", "inet", "in", "filter", "input", "", JUMP("web") ";" PORT "," DROP,
	  1, TURNCTL_NFT_DROPS, 11 },
	{ "goes and does not come back", "inet", "in", "filter", "input", "",
	  "{'goto':{'target':'web'}};" PORT "," DROP, 0, 0, 0 },
	{ "jumps in a circle", "inet", "in", "filter", "input", "", JUMP("in") ";" PORT "," DROP, 1,
	  TURNCTL_NFT_DROPS, 11 },
	{ "a map's verdict", "inet", "in", "filter", "input", "",
	  "{'vmap':{'key':{'payload':{'protocol':'udp','field':'dport'}},'data':'@vm'}}", 1,
	  TURNCTL_NFT_DROPS, 10 },
	{ "a map's jump", "inet", "in", "filter", "input", "",
	  "{'vmap':{'key':{'payload':{'protocol':'udp','field':'dport'}},'data':{'set':[[80,"
	  "{'accept':null}],[{'range':[3000,4000]},{'jump':{'target':'sub'}}]]}}}", 1,
	  TURNCTL_NFT_DROPS | TURNCTL_NFT_COUNTS, 90 },
	{ "a map for other ports", "inet", "in", "filter", "input", "",
	  "{'vmap':{'key':{'payload':{'protocol':'udp','field':'dport'}},'data':{'set':[[80,"
	  "{'drop':null}]]}}}", 0, 0, 0 },
	/* iptables-nft: everything counts there, and its own extensions are only named */
	{ "iptables accepts", "ip", "INPUT", "filter", "input", ",'policy':'accept'",
	  PORT "," COUNTER "," ACCEPT, 0, 0, 0 },
	{ "iptables limits", "ip", "INPUT", "filter", "input", "",
	  PORT "," LIMIT "," COUNTER "," DROP, 1, TURNCTL_NFT_LIMITS | TURNCTL_NFT_DROPS, 10 },
	{ "iptables with an extension", "ip", "INPUT", "filter", "input", "",
	  META("l4proto", "==", "'udp'") ",{'xt':{'type':'match','name':'multiport'}}," COUNTER ","
	  DROP, 1, TURNCTL_NFT_DROPS, 10 },
	{ "iptables for TCP", "ip", "INPUT", "filter", "input", "",
	  PAYLOAD("tcp", "dport", "==", "3478") "," COUNTER ",{'xt':{'type':'target',"
	  "'name':'LOG'}}", 0, 0, 0 },
	{ "iptables sets DSCP", "ip", "OUTPUT", "route", "output", "",
	  PAYLOAD("udp", "sport", "==", "3478") "," COUNTER ",{'mangle':{'key':{'payload':"
	  "{'protocol':'ip','field':'dscp'}},'value':8}}", 1, TURNCTL_NFT_CHANGES, 10 },
	{ "iptables only counts", "ip", "INPUT", "filter", "input", "", PORT "," COUNTER, 1,
	  TURNCTL_NFT_COUNTS, 10 },
	{ "iptables translates", "ip", "PREROUTING", "nat", "prerouting", "",
	  PORT "," COUNTER ",{'xt':{'type':'target','name':'DNAT'}}", 1, TURNCTL_NFT_TRANSLATES,
	  10 },
	/* families and devices of chains */
	{ "IPv6", "ip6", "in", "filter", "input", POLICY_DROP, DROP, 0, 0, 0 },
	{ "a bridge that is none of ours", "bridge", "in", "filter", "input", "", DROP, 0, 0, 0 },
	{ "at ingress of a device", "netdev", "in", "filter", "ingress", ",'dev':'srv0'", DROP, 1,
	  TURNCTL_NFT_DROPS, 10 },
	{ "of devices", "netdev", "in", "filter", "ingress", ",'dev':['lo','srv1']", DROP, 1,
	  TURNCTL_NFT_DROPS, 10 },
	{ "of all with such a name", "netdev", "in", "filter", "ingress", ",'dev':['eth*','srv*']",
	  DROP, 1, TURNCTL_NFT_DROPS, 10 },
	{ "of others with such a name", "netdev", "in", "filter", "ingress", ",'dev':'eth*'", DROP,
	  0, 0, 0 },
	{ "of another", "netdev", "in", "filter", "ingress", ",'dev':'eth0'", DROP, 0, 0, 0 },
	{ "of one that is not told", "netdev", "out", "filter", "egress", "", DROP, 1,
	  TURNCTL_NFT_DROPS, 10 },
};

static void knows_which_rules_are_met(void **state)
{
	const struct rules_case *c;
	struct verdict is;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rules_cases) / sizeof(*rules_cases); i++) {
		c = &rules_cases[i];
		is = judged(c->family, c->chain, c->type, c->hook, c->more, c->rules);
		if (is.count != c->count || is.effects != c->effects || is.handle != c->handle)
			fail_msg("%s: %d meetings, effects %#x, handle %ld, not %d, %#x, %ld",
				 c->name, is.count, is.effects, is.handle, c->count, c->effects,
				 c->handle);
	}
}

static void says_which_way_a_policy_is_missed(void **state)
{
	struct verdict is;

	(void)state;
	/* the clients' port is open, the relay's are not: only the peers' packets meet the policy */
	is = judged("inet", "in", "filter", "input", POLICY_DROP, PORT "," ACCEPT);
	assert_int_equal(is.count, 1);
	assert_int_equal(is.ways, PEERS);
	assert_true(is.surely);
}

/* A connection's first packet is from a client, or from or to a peer. */
static void says_which_way_nat_is_missed(void **state)
{
	static const char masquerade[] = "{'masquerade':null}", redirect[] = "{'redirect':null}";

	(void)state;
	assert_int_equal(judged("ip", "c", "nat", "postrouting", "", masquerade).ways, TO_PEERS);
	assert_int_equal(judged("ip", "c", "nat", "prerouting", "", redirect).ways,
			 CLIENTS | PEERS);
	assert_int_equal(judged("ip", "c", "filter", "postrouting", "", COUNTER).ways,
			 TO_CLIENTS | TO_PEERS);
}

static void says_what_is_sure(void **state)
{
	static const char vmap[] = "{'vmap':{'key':{'payload':{'protocol':'udp','field':'dport'}},"
				   "'data':'@vm'}}";
	char rules[512];

	(void)state;
	assert_true(judged("inet", "in", "filter", "input", "", vmap).surely);
	/* what a rule's match leaves open, its map leaves open */
	snprintf(rules, sizeof(rules), "%s,%s", PAYLOAD("ip", "saddr", "==", "'192.0.2.1'"), vmap);
	assert_false(judged("inet", "in", "filter", "input", "", rules).surely);
	/* and so does a chain that is jumped to */
	snprintf(rules, sizeof(rules), "%s,%s", PAYLOAD("ip", "saddr", "==", "'192.0.2.1'"),
		 JUMP("sub"));
	assert_false(judged("inet", "in", "filter", "input", "", rules).surely);
	/* chains of which it is not told at which device they are */
	assert_false(judged("netdev", "in", "filter", "ingress", "", DROP).surely);
	assert_true(judged("netdev", "in", "filter", "ingress", ",'dev':'srv0'", DROP).surely);
}

/* The stack knows a port of a bond or bridge by its master's name only; before, it has its own. */
static void knows_ports_by_their_masters(void **state)
{
	static const struct {
		const char *rule, *family, *hook, *more, *match;
		unsigned int ways;
		bool surely;
	} cases[] = {
		{ "iifname br0", "inet", "input", "", META("iifname", "==", "'br0'"), CLIENTS,
		  true },
		{ "iifname p1", "inet", "input", "", META("iifname", "==", "'p1'"), 0, false },
		{ "iifname bond0", "ip", "prerouting", "", META("iifname", "==", "'bond0'"), 0,
		  false },
		{ "iifname != br0", "ip", "input", "", META("iifname", "!=", "'br0'"), 0, false },
		{ "oifname br0", "ip", "output", "", META("oifname", "==", "'br0'"), TO_CLIENTS,
		  true },
		{ "oifname p1", "ip", "postrouting", "", META("oifname", "==", "'p1'"), 0, false },
		{ "iifname p1", "bridge", "input", "", META("iifname", "==", "'p1'"), CLIENTS,
		  false },
		{ "iifname p1", "netdev", "ingress", ",'dev':'p1'", META("iifname", "==", "'p1'"),
		  CLIENTS, false },
		{ "iifname p1", "inet", "ingress", ",'dev':'p1'", META("iifname", "==", "'p1'"),
		  CLIENTS, false },
		{ "oifname p1", "netdev", "egress", ",'dev':'p1'", META("oifname", "==", "'p1'"),
		  TO_CLIENTS, false },
	};
	struct verdict is;
	char rules[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(rules, sizeof(rules), "%s," DROP, cases[i].match);
		is = judged_of(port_flows, 2, true, cases[i].family, "c", "filter", cases[i].hook,
			       cases[i].more, rules);
		if (is.ways != cases[i].ways || is.surely != cases[i].surely)
			fail_msg("%s drop, at %s %s: ways %x%s, not %x%s", cases[i].rule,
				 cases[i].family, cases[i].hook, is.ways,
				 is.surely ? " surely" : "", cases[i].ways,
				 cases[i].surely ? " surely" : "");
	}
}

/* 16 chains, each of which jumps four times to the next: four thousand million ways to go. */
static void walks_each_chain_once(void **state)
{
	static char text[16384], rules[4096];
	struct turnctl_nft_meeting list[4];
	struct json_object *ruleset;
	size_t used = 0, at;
	int i, j;

	(void)state;
	at = snprintf(text, sizeof(text), "{'nftables':[{'chain':{'family':'ip','table':'t',"
		      "'name':'c0','type':'filter','hook':'input'}}");
	for (i = 0; i < 16; i++) {
		for (j = 0, used = 0; j < 4; j++)
			used += snprintf(rules + used, sizeof(rules) - used,
					 "{'jump':{'target':'c%d'}}%s", i + 1, j < 3 ? "," : "");
		at += snprintf(text + at, sizeof(text) - at, ",{'rule':{'family':'ip','table':'t',"
			       "'chain':'c%d','handle':%d,'expr':[%s]}}", i, i + 1, rules);
	}
	snprintf(text + at, sizeof(text) - at, ",{'rule':{'family':'ip','table':'t','chain':'c16',"
		 "'handle':99,'expr':[{'drop':null}]}}]}");
	ruleset = parse(text);
	assert_int_equal(turnctl_nft_judge(ruleset, flows, TURNCTL_NFT_WAYS, false, list, 4), 1);
	assert_int_equal(list[0].handle, 99);
	json_object_put(ruleset);
}

/* The same rule for another way takes no room. */
static void says_when_there_are_more_than_fit(void **state)
{
	char text[] = "{'nftables':[{'chain':{'family':'ip','table':'t','name':'c','type':'filter',"
		      "'hook':'input'}},{'rule':{'family':'ip','table':'t','chain':'c','handle':1,"
		      "'expr':[" COUNTER "]}},{'rule':{'family':'ip','table':'t','chain':'c',"
		      "'handle':2,'expr':[" COUNTER "]}},{'rule':{'family':'ip','table':'t',"
		      "'chain':'c','handle':3,'expr':[" COUNTER "]}}]}";
	struct json_object *ruleset = parse(text);
	struct turnctl_nft_meeting list[3] = {};

	(void)state;
	assert_int_equal(turnctl_nft_judge(ruleset, flows, TURNCTL_NFT_WAYS, false, list, 2), 3);
	assert_int_equal(list[1].handle, 2);
	assert_int_equal(list[2].handle, 0);
	assert_int_equal(turnctl_nft_judge(ruleset, flows, TURNCTL_NFT_WAYS, false, list, 3), 3);
	assert_int_equal(list[2].handle, 3);
	assert_int_equal(turnctl_nft_judge(ruleset, flows, TURNCTL_NFT_WAYS, false, list, 1), 2);
	json_object_put(ruleset);
}

/* Nothing that libnftables could ever print may be worse than not understood. */
static void survives_what_makes_no_sense(void **state)
{
	static const char *const nonsense[] = {
		"[]", "{}", "{'nftables':{}}", "{'nftables':[]}", "{'nftables':[1,null,'x',[]]}",
		"{'nftables':[{'chain':null},{'rule':null},{'set':null},{'map':3}]}",
		"{'nftables':[{'chain':{'family':'ip','table':'t','name':'c','hook':'input'}},"
		"{'rule':{'family':'ip','table':'t','chain':'c','expr':{'drop':null}}},"
		"{'rule':{'family':'ip','table':'t','chain':'c','expr':[null,[],3,{},"
		"{'vmap':null},{'vmap':{'data':[1]}},{'vmap':{'data':{'set':[1,[],[1],[1,2]]}}},"
		"{'xt':null},{'jump':null},{'goto':{}},{'match':{'op':'==','left':{'concat':1},"
		"'right':{'set':3}}},{'match':{'op':'==','left':{'concat':[1,2]},'right':"
		"{'concat':[3]}}},{'match':{'op':'==','left':{'payload':{'protocol':'ip','field':"
		"'saddr'}},'right':{'prefix':{'addr':'x','len':99}}}},{'match':{'op':'<','left':"
		"{'meta':{'key':'l4proto'}},'right':{'range':[3]}}},{'match':{'op':'==','left':"
		"{'payload':{}},'right':{'elem':null}}}]}}]}",
	};
	struct turnctl_nft_meeting list[2];
	struct json_object *ruleset;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
		char *text = strdup(nonsense[i]);

		ruleset = parse(text);
		assert_in_range(turnctl_nft_judge(ruleset, flows, TURNCTL_NFT_WAYS, true, list, 2),
				0, 3);
		json_object_put(ruleset);
		free(text);
	}
}

static void names_effects(void **state)
{
	char text[128], small[8];

	(void)state;
	assert_string_equal(turnctl_nft_effects_format(TURNCTL_NFT_COUNTS | TURNCTL_NFT_DROPS, text,
						       sizeof(text)), "drop and count");
	assert_string_equal(turnctl_nft_effects_format(TURNCTL_NFT_COUNTS | TURNCTL_NFT_DROPS |
						       TURNCTL_NFT_TRACKS, text, sizeof(text)),
			    "drop, count and track");
	assert_string_equal(turnctl_nft_effects_format(0, text, sizeof(text)), "");
	assert_string_equal(turnctl_nft_effects_format(TURNCTL_NFT_TRANSLATES, small,
						       sizeof(small)), "transla");
}

/* Who may not ask is not told that there are none. */
static void hears_that_it_may_not_ask(void **state)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER), status;
	pid_t child;

	(void)state;
	if (fd < 0)
		skip(); /* there are none */
	close(fd);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(!geteuid() && setuid(65534) ? 255 : -turnctl_nft_in_use());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 255)
		skip(); /* nobody else to be */
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_what_a_rule_would_match),
		cmocka_unit_test(knows_which_rules_are_met),
		cmocka_unit_test(says_which_way_a_policy_is_missed),
		cmocka_unit_test(says_which_way_nat_is_missed),
		cmocka_unit_test(says_what_is_sure),
		cmocka_unit_test(knows_ports_by_their_masters),
		cmocka_unit_test(walks_each_chain_once),
		cmocka_unit_test(says_when_there_are_more_than_fit),
		cmocka_unit_test(survives_what_makes_no_sense),
		cmocka_unit_test(names_effects),
		cmocka_unit_test(hears_that_it_may_not_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
