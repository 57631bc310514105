// SPDX-License-Identifier: GPL-2.0
/* Runs the steps of a world, and looks at what came of each. */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/pkt_cls.h>

/* Timers begin to remove what has ended a second after: then tables change by themselves. */
#define LATE 0.4 /* s */
#define OLD 0.8

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

bool trouble(struct world *w, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(w->text, sizeof(w->text), format, ap);
	va_end(ap);
	w->trouble = w->text;
	return false;
}

bool world_is_old(const struct world *w)
{
	return seconds() - w->began > OLD;
}

bool world_is_late(const struct world *w)
{
	return seconds() - w->began > LATE;
}

void world_begin(struct world *w, struct tally *tally)
{
	void *state = NULL;

	fixture_begin(&state);
	w->f = state;
	w->f->config.heartbeat = 3600 * w->f->config.hz; /* no deadline is over but by a step */
	write_config(w->f);
	w->tally = tally;
	w->trouble = NULL;
	w->known = 0;
	model_begin(&w->model);
	w->jiffies = now(w->f);
	w->began = seconds();
	tally->worlds++;
}

/* ---- a frame that arrives -------------------------------------------------------------------- */

/* A relayed frame, as it left. */
static bool check_relayed(struct world *w, const struct frame *in, const struct forecast *c,
			  const struct frame *out, const char *by)
{
	const struct turn_flow *flow = &c->flow;
	unsigned int header = c->to_peer ? 0 : 4, udp = 8 + header + c->length;
	const __u8 *i = in->data, *o = out->data;
	const char *wrong = NULL;

	if (out->len != 34 + udp)
		wrong = "its length";
	else if (memcmp(o, flow->dmac, 6) || memcmp(o + 6, flow->smac, 6))
		wrong = "its MAC addresses";
	else if (get16(o + AT_ETHERTYPE) != 0x0800 || o[AT_IP] != 0x45)
		wrong = "its EtherType or IP version";
	else if (o[AT_TOS] != i[AT_TOS])
		wrong = "its TOS";
	else if (get16(o + AT_IP_LENGTH) != 20 + udp || get16(o + AT_UDP_LENGTH) != udp)
		wrong = "its IP or UDP length";
	else if (get16(o + AT_FRAGMENT))
		wrong = "its fragment bits, DF among them";
	else if (o[AT_TTL] != i[AT_TTL] - 1)
		wrong = "its TTL";
	else if (o[AT_PROTOCOL] != 17 || !ref_ip_sound(o))
		wrong = "its protocol or IP checksum";
	else if (memcmp(o + AT_SOURCE, &flow->saddr, 4) || memcmp(o + AT_DESTINATION, &flow->daddr, 4))
		wrong = "its addresses";
	else if (memcmp(o + AT_UDP, &flow->sport, 2) || memcmp(o + AT_UDP + 2, &flow->dport, 2))
		wrong = "its ports";
	else if (header && (memcmp(o + AT_PAYLOAD, &flow->channel, 2) ||
			    get16(o + AT_PAYLOAD + 2) != c->length))
		wrong = "its ChannelData header";
	else if (memcmp(o + AT_PAYLOAD + header, c->data, c->length))
		wrong = "its payload";
	else if (!get16(i + AT_UDP_CHECK) != !get16(o + AT_UDP_CHECK))
		wrong = "whether it has a UDP checksum";
	else if (get16(o + AT_UDP_CHECK) && ref_udp_error(i) != ref_udp_error(o))
		wrong = ref_udp_error(i) ? "its UDP checksum, which was wrong and is so in another way"
					 : "its UDP checksum";
	return wrong ? trouble(w, "%s: relayed, but for %s", by, wrong) : true;
}

#define TURN_TEXT(name, word, text) text,
static const char *const reason_texts[] = { TURN_REASONS(TURN_TEXT) };
#undef TURN_TEXT

static bool check_verdict(struct world *w, const struct frame *in, const struct forecast *c,
			  int verdict, const struct frame *out, const char *by)
{
	const char *why;

	if (verdict == XDP_PASS) {
		if (out->len != in->len || memcmp(out->data, in->data, in->len))
			return trouble(w, "%s: passed, but not as it came", by);
		if (c->fate == FATE_RELAYED)
			return trouble(w, "%s: passed, but there is no reason to", by);
		return true;
	}
	if (verdict != XDP_REDIRECT)
		return trouble(w, "%s: verdict %d", by, verdict);
	if (c->fate == FATE_DUE)
		return trouble(w, "%s: relayed after its deadline", by);
	if (c->fate == FATE_LEFT)
		return trouble(w, "%s: relayed, but should not be: %s", by,
			       reason_texts[__builtin_ctz(c->reasons)]);
	if (c->fate == FATE_STRANGER)
		return trouble(w, "%s: relayed, but there is no flow", by);
	why = model_may_relay(&w->model, c);
	if (why)
		return trouble(w, "%s: %s", by, why);
	return check_relayed(w, in, c, out, by);
}

static bool run_chain(struct world *w, const struct frame *in, const struct forecast *c,
		      int *verdict, struct frame *out)
{
	static const enum turnctl_program chain[] = { TURNCTL_CLI2REM, TURNCTL_REM2CLI,
						      TURNCTL_STUN, TURNCTL_HEARTBEAT };
	struct frame shifted;
	size_t i;

	for (i = 0; i < COUNT(chain); i++) {
		*verdict = run_program(w->f->program[chain[i]], in, out);
		if (*verdict != XDP_PASS)
			break;
		if (!check_verdict(w, in, &(struct forecast){ .fate = FATE_STRANGER }, XDP_PASS,
				   out, turnctl_program_name(chain[i])))
			return false;
	}
	if (*verdict == XDP_REDIRECT) {
		*verdict = run_program(w->f->shift, out, &shifted);
		if (*verdict != XDP_PASS)
			return trouble(w, "turn_shift: verdict %d", *verdict);
		*out = shifted;
		*verdict = XDP_REDIRECT;
	}
	return check_verdict(w, in, c, *verdict, out, "the chain");
}

static bool run_fused(struct world *w, const struct frame *in, const struct forecast *c,
		      int *verdict, struct frame *out)
{
	*verdict = run_program(w->f->program[TURNCTL_FUSED], in, out);
	return check_verdict(w, in, c, *verdict, out, "turn_fused");
}

/* The fused program of a device without clients. */
static bool run_relay_device(struct world *w, const struct frame *in)
{
	struct frame out;
	struct forecast c;
	int verdict;

	model_forecast(&w->model, w->f, in, TURN_ROLE_RELAY, &c);
	verdict = run_program(w->f->fused_relay, in, &out);
	if (!check_verdict(w, in, &c, verdict, &out, "turn_fused, relay"))
		return false;
	if (c.fate == FATE_STRANGER)
		return true;
	w->known++;
	flow_write(w->f, c.key, &c.flow); /* as if nothing had been */
	return true;
}

static bool same_frames(const struct frame *a, const struct frame *b)
{
	/* but for the IP header's ID, which is new each time, and its checksum */
	return a->len == b->len && !memcmp(a->data, b->data, AT_ID) &&
	       !memcmp(a->data + AT_FRAGMENT, b->data + AT_FRAGMENT, AT_IP_CHECK - AT_FRAGMENT) &&
	       !memcmp(a->data + AT_SOURCE, b->data + AT_SOURCE, a->len - AT_SOURCE);
}

static void count(struct world *w, const struct forecast *c, int verdict)
{
	if (c->fate == FATE_STRANGER)
		w->tally->strangers++;
	else if (verdict == XDP_REDIRECT)
		w->tally->relayed++;
	else if (c->fate == FATE_DUE)
		w->tally->heartbeats++;
	else
		w->tally->left++;
	w->tally->frames++;
	if (c->fate != FATE_STRANGER)
		w->known += 2;
}

/* All programs, one after the other, from the same state. */
static bool arrives(struct world *w, const struct frame *in, bool *left)
{
	bool fused_first = in->data[in->len - 1] & 1;
	int chain = XDP_PASS, fused = XDP_PASS;
	struct frame by_chain, by_fused;
	struct forecast c;

	w->model.now = w->jiffies + (seconds() - w->began) * w->f->config.hz;
	if (!run_relay_device(w, in))
		return false;
	model_forecast(&w->model, w->f, in, TURN_ROLE_CLIENT, &c);
	if (!(fused_first ? run_fused(w, in, &c, &fused, &by_fused)
			  : run_chain(w, in, &c, &chain, &by_chain)))
		return false;
	if (c.fate == FATE_DUE || c.fate == FATE_UNSURE)
		flow_write(w->f, c.key, &c.flow); /* its heartbeat is due again */
	if (!(fused_first ? run_chain(w, in, &c, &chain, &by_chain)
			  : run_fused(w, in, &c, &fused, &by_fused)))
		return false;
	count(w, &c, chain);
	if (c.fate == FATE_UNSURE)
		return true;
	if (chain != fused)
		return trouble(w, "the chain's verdict is %d, turn_fused's %d", chain, fused);
	if (chain == XDP_REDIRECT) {
		if (!same_frames(&by_chain, &by_fused))
			return trouble(w, "the chain and turn_fused send different frames");
		if (!memcmp(by_chain.data + AT_ID, by_fused.data + AT_ID, 2))
			return trouble(w, "two packets with one ID");
	}
	if (left)
		*left = chain == XDP_PASS && c.fate != FATE_STRANGER;
	model_received(&w->model, in, &c, chain == XDP_PASS);
	return true;
}

/* ---- a frame that leaves --------------------------------------------------------------------- */

static bool leaves(struct world *w, const struct frame *frame)
{
	struct __sk_buff skb = { .ifindex = w->f->ifindex }, skb_out;
	struct frame out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->len,
		    .data_out = out.data, .data_size_out = sizeof(out.data), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .ctx_out = &skb_out,
		    .ctx_size_out = sizeof(skb_out), .repeat = 1);

	if (bpf_prog_test_run_opts(w->f->program[TURNCTL_EGRESS], &opts)) {
		if (errno == EINVAL && frame->len < 14 + 40)
			return true; /* shorter than the header that its EtherType promises */
		return trouble(w, "turn_egress cannot be run: %s", strerror(errno));
	}
	if ((int)opts.retval != TC_ACT_UNSPEC)
		return trouble(w, "turn_egress: verdict %d", (int)opts.retval);
	if (opts.data_size_out != frame->len || memcmp(out.data, frame->data, frame->len))
		return trouble(w, "turn_egress has changed the frame");
	return true;
}

static bool sends(struct world *w, const struct frame *frame, bool really)
{
	const char *wrong;

	w->tally->sent++;
	if (really && send(w->f->sender, frame->data, frame->len, 0) != (ssize_t)frame->len)
		return trouble(w, "cannot send: %s", strerror(errno));
	if (!really && !leaves(w, frame))
		return false;
	wrong = model_sent(&w->model, w->f, frame, !really);
	return wrong && !world_is_old(w) ? trouble(w, "turn_egress: %s", wrong) : true;
}

bool world_step(struct world *w, const struct step *step, bool *left)
{
	const struct frame *frame = &step->frame;
	struct turn_key4 key;
	struct turn_flow flow;

	if (left)
		*left = false;
	switch (step->kind) {
	case STEP_IN:
		return arrives(w, frame, left);
	case STEP_SENT:
		return sends(w, frame, true);
	case STEP_OUT:
		return sends(w, frame, false);
	case STEP_DUE:
		memcpy(&key, frame->data, sizeof(key));
		if (flow_find(w->f, key, &flow)) {
			flow_due(w->f, key);
			flow_find(w->f, key, &flow);
			flow.deadline -= 10; /* and has been so for a while */
			flow_write(w->f, key, &flow);
		}
		return true;
	case STEP_EXIT:
		w->model.exit_there = frame->data[0];
		set_exit(w->f, "turn_exits", w->f->ifindex, w->model.exit_there);
		set_exit(w->f, "turn_plain", w->f->ifindex, w->model.exit_there);
		return true;
	}
	return true;
}

bool world_replay(struct world *w, struct tally *tally, const struct steps *steps)
{
	size_t i;

	world_begin(w, tally);
	for (i = 0; i < steps->count; i++)
		if (!world_step(w, &steps->step[i], NULL))
			return false;
	return world_end(w);
}
