#include "crisol/augment.h"

#include <math.h>

static const double degree = 3.14159265358979323846 / 180;

/* Source: torchvision.transforms.functional._get_inverse_affine_matrix: M = T · R(angle) · Shear · scale about the
 * centre, y pointing down; here as offsets from the centre, so that the centre itself drops out. */
void cr_augment_affine_inverse(double angle, const double translate[2], double scale, const double shear[2],
                               double inverse[2][3])
{
    double a = angle * degree, sx = shear[0] * degree, sy = shear[1] * degree;
    double m00 = scale * cos(a - sy) / cos(sy), m01 = scale * (-cos(a - sy) * tan(sx) / cos(sy) - sin(a));
    double m10 = scale * sin(a - sy) / cos(sy), m11 = scale * (-sin(a - sy) * tan(sx) / cos(sy) + cos(a));
    double determinant = m00 * m11 - m01 * m10;
    inverse[0][0] = m11 / determinant;
    inverse[0][1] = -m01 / determinant;
    inverse[1][0] = -m10 / determinant;
    inverse[1][1] = m00 / determinant;
    for (int i = 0; i < 2; i++)
        inverse[i][2] = -(inverse[i][0] * translate[0] + inverse[i][1] * translate[1]);
}
