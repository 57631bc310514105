// SPDX-License-Identifier: GPL-2.0
/* Sequences of steps as text, a line a step, so that a find can be read, cut down and kept. */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {
	[STEP_IN] = "in", [STEP_SENT] = "sent", [STEP_OUT] = "out",
	[STEP_DUE] = "due", [STEP_EXIT] = "exit",
};

struct step *steps_add(struct steps *s, enum step_kind kind)
{
	struct step *step;

	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->step = realloc(s->step, s->room * sizeof(*s->step));
		if (!s->step)
			abort();
	}
	step = &s->step[s->count++];
	step->kind = kind;
	step->frame.len = 0;
	return step;
}

int steps_write(const struct steps *s, const char *path, const char *comment)
{
	FILE *file = fopen(path, "w");
	const struct frame *frame;
	unsigned int i;
	size_t n;

	if (!file)
		return -errno;
	fprintf(file, "# %s\n", comment);
	for (n = 0; n < s->count; n++) {
		frame = &s->step[n].frame;
		fprintf(file, "%s ", words[s->step[n].kind]);
		for (i = 0; i < frame->len; i++)
			fprintf(file, "%02x", frame->data[i]);
		fputc('\n', file);
	}
	return fclose(file) ? -errno : 0;
}

static int read_line(struct steps *s, const char *line)
{
	char word[8];
	struct step *step;
	unsigned int byte;
	size_t kind;
	int used;

	if (*line == '#' || sscanf(line, "%7s%n", word, &used) != 1)
		return 0;
	for (kind = 0; kind < COUNT(words); kind++)
		if (!strcmp(word, words[kind]))
			break;
	if (kind == COUNT(words))
		return -EINVAL;
	step = steps_add(s, kind);
	for (line += used; *line == ' '; line++)
		;
	for (; sscanf(line, "%2x", &byte) == 1; line += 2) {
		if (step->frame.len == sizeof(step->frame.data))
			return -EINVAL;
		step->frame.data[step->frame.len++] = byte;
	}
	return *line == '\n' || !*line ? 0 : -EINVAL;
}

int steps_read(struct steps *s, const char *path)
{
	static char line[16 + 2 * sizeof(((struct frame *)0)->data)];
	FILE *file = fopen(path, "r");
	int err = 0;

	if (!file)
		return -errno;
	s->count = 0;
	while (!err && fgets(line, sizeof(line), file))
		err = read_line(s, line);
	fclose(file);
	return err ? err : s->count ? 0 : -ENODATA;
}
