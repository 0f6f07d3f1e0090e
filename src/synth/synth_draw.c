#include "picture.h"

#include <math.h>

#define PI 3.14159265358979323846

typedef struct color {
    double rgb[3]; /* 0 … 1 */
} color;

typedef struct scene {
    color ground, pattern, shape;
    double direction_x, direction_y; /* of the texture, a unit vector */
    double period;                   /* pixels */
    double share;                    /* stripes: of the period; dots: radius over period */
    double wave, wave_period;        /* how far stripes and rows of dots wander, pixels */
    double light_x, light_y;         /* brightness gained across the picture */
    int shape_kind;                  /* 0 disc, 1 square, 2 triangle */
    double shape_x, shape_y, shape_radius, shape_turn;
} scene;

static double between(cr_rng *rng, double low, double high)
{
    return low + (high - low) * cr_rng_uniform_double(rng);
}

/* Hue, saturation, value in 0 … 1 (A. R. Smith, "Color gamut transform pairs", SIGGRAPH 1978). */
static color from_hsv(double hue, double saturation, double value)
{
    color made;
    for (int c = 0; c < 3; c++) {
        double k = fmod(5 - 2 * c + 6 * hue, 6);
        double part = fmin(fmin(k, 4 - k), 1);
        made.rgb[c] = value - value * saturation * fmax(part, 0);
    }
    return made;
}

static scene make_scene(cr_rng *rng, cr_synth_texture texture, const cr_synth_picture *picture)
{
    scene s;
    /* stripes come on warm grounds, dots on cold ones: what a net sees first */
    double hue = texture == CR_SYNTH_STRIPES ? between(rng, 0, 0.14) : between(rng, 0.5, 0.7);
    double angle = between(rng, 0, PI), light = between(rng, 0, 2 * PI);
    bool dark_ground = cr_rng_below(rng, 2) != 0;
    double bright = between(rng, 0.75, 0.95), dark = between(rng, 0.2, 0.45);
    s.ground = from_hsv(hue, between(rng, 0.2, 0.6), dark_ground ? dark : bright);
    s.pattern =
        from_hsv(fmod(hue + between(rng, -0.12, 0.12) + 1, 1), between(rng, 0.2, 0.7), dark_ground ? bright : dark);
    s.shape = from_hsv(cr_rng_uniform_double(rng), between(rng, 0.4, 0.9), between(rng, 0.3, 0.9));
    s.direction_x = cos(angle);
    s.direction_y = sin(angle);
    s.period = between(rng, 20, 34);
    s.share = between(rng, 0.4, 0.6);
    s.wave = between(rng, 0, 5);
    s.wave_period = between(rng, 90, 200);
    s.light_x = 0.2 * cos(light);
    s.light_y = 0.2 * sin(light);
    s.shape_kind = (int)cr_rng_below(rng, 3);
    s.shape_x = between(rng, 0.2, 0.8) * picture->width;
    s.shape_y = between(rng, 0.2, 0.8) * picture->height;
    s.shape_radius = between(rng, 0.12, 0.22) * fmin(picture->width, picture->height);
    s.shape_turn = between(rng, 0, 2 * PI);
    return s;
}

/* 1 well inside, 0 well outside, a ramp of one pixel between: signed distance in pixels, positive inside. */
static double coverage(double distance)
{
    return fmin(fmax(distance + 0.5, 0), 1);
}

/* Signed distance from the middle of a repeated band, as a fraction of the period: -0.5 … 0.5. */
static double band(double position, double period)
{
    double t = position / period;
    return t - floor(t) - 0.5;
}

static double texture_at(const scene *s, cr_synth_texture texture, double x, double y)
{
    double along = x * s->direction_x + y * s->direction_y, across = y * s->direction_x - x * s->direction_y;
    across += s->wave * sin(2 * PI * along / s->wave_period);
    double v = band(across, s->period);
    if (texture == CR_SYNTH_STRIPES)
        return coverage((s->share / 2 - fabs(v)) * s->period);
    double row = floor(across / s->period); /* every second row is shifted by half a period */
    double u = band(along + 0.5 * s->period * fmod(fabs(row), 2), s->period);
    return coverage((0.65 * s->share - sqrt(u * u + v * v)) * s->period);
}

static double shape_at(const scene *s, double x, double y)
{
    double dx = x - s->shape_x, dy = y - s->shape_y, r = s->shape_radius;
    double u = dx * cos(s->shape_turn) + dy * sin(s->shape_turn), v = dy * cos(s->shape_turn) - dx * sin(s->shape_turn);
    if (s->shape_kind == 0)
        return coverage(r - sqrt(dx * dx + dy * dy));
    if (s->shape_kind == 1)
        return coverage(0.85 * r - fmax(fabs(u), fabs(v)));
    return coverage(0.6 * r - fmax(v, fabs(u) * 0.866025403784438647 - v * 0.5));
}

void cr_synth_draw(cr_rng *rng, cr_synth_texture texture, cr_synth_picture *picture)
{
    const uint64_t n_sides = CR_SYNTH_MAX_SIDE - CR_SYNTH_MIN_SIDE + 1;
    picture->width = CR_SYNTH_MIN_SIDE + (int)cr_rng_below(rng, n_sides);
    picture->height = CR_SYNTH_MIN_SIDE + (int)cr_rng_below(rng, n_sides);
    scene s = make_scene(rng, texture, picture);
    uint8_t *out = picture->pixels;
    for (int y = 0; y < picture->height; y++)
        for (int x = 0; x < picture->width; x++) {
            double pattern = texture_at(&s, texture, x, y), shape = shape_at(&s, x, y);
            double light = 1 + s.light_x * ((double)x / picture->width - 0.5) * 2 +
                           s.light_y * ((double)y / picture->height - 0.5) * 2;
            uint32_t noise = cr_rng_u32(rng);
            for (int c = 0; c < 3; c++) {
                double value = s.ground.rgb[c] + pattern * (s.pattern.rgb[c] - s.ground.rgb[c]);
                value += shape * (s.shape.rgb[c] - value);
                double grain = (double)(noise >> (8 * c) & 31) - 15.5;
                *out++ = (uint8_t)lrint(fmin(fmax(255 * value * light + grain, 0), 255));
            }
        }
}
