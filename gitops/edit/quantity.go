package edit

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/inf.v0"
	"k8s.io/apimachinery/pkg/api/resource"
)

// mostExponent is more than any quantity has: to compare 1e2000000000 with a bound takes all the memory that there is.
const mostExponent = 30

var exponent = regexp.MustCompile(`[eE][+-]?([0-9]+)$`)

func quantity(text string) (resource.Quantity, error) {
	if m := exponent.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err != nil || n > mostExponent {
			return resource.Quantity{}, fmt.Errorf("its exponent is above %d", mostExponent)
		}
	}
	return resource.ParseQuantity(text)
}

// Within refuses what is no Kubernetes quantity above 0, or not within min and max, each of which may be empty.
func Within(value, min, max string) error {
	q, err := quantity(value)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no quantity: %w", value, err)
	case q.Sign() <= 0:
		return fmt.Errorf("%s is not above 0", value)
	}
	for _, bound := range []struct {
		text, where string
		over        int // the sign of the value compared with the bound when it is over it
	}{{min, "below", -1}, {max, "above", 1}} {
		if bound.text == "" {
			continue
		}
		b, err := resource.ParseQuantity(bound.text)
		if err != nil {
			return fmt.Errorf("the bound %q is no quantity: %w", bound.text, err)
		}
		if q.Cmp(b) == bound.over {
			return fmt.Errorf("%s is %s %s", value, bound.where, bound.text)
		}
	}
	return nil
}

// Divides reports whether a field may have a part of one: processors and an autoscaler's targets do; pods, devices and
// bytes are counted.
func Divides(sel Selector, p Path) bool {
	if len(p) == 0 {
		return false
	}
	last := len(p) - 1
	if typeOf(sel, p) == reflect.TypeFor[resource.Quantity]() && isStruct(typeOf(sel, p[:last])) {
		return true
	}
	return strings.HasSuffix(strings.ToLower(p[last].Key), "cpu")
}

// ScaleQuantity multiplies a Kubernetes quantity and keeps it within min and max, each of which may be empty. The
// result is rounded up to what a person would write: whole Mi (Ki below one), whole M, or thousandths; a bare whole
// number stays one unless it divides. A bound never turns the change round: 3Gi doubled with a maximum of 2Gi stays 3Gi.
func ScaleQuantity(current string, divides bool, by float64, min, max string) (string, error) {
	q, err := quantity(current)
	if err != nil {
		return "", fmt.Errorf("%q is no quantity: %w", current, err)
	}
	factor, ok := new(inf.Dec).SetString(strconv.FormatFloat(by, 'f', -1, 64))
	if !ok || factor.Sign() <= 0 {
		return "", fmt.Errorf("a quantity cannot be multiplied by %v: give a number above 0", by)
	}
	if q.Sign() <= 0 {
		return "", fmt.Errorf("%q cannot be scaled: it is not above 0", current)
	}
	unit := inf.NewDec(1, 0)
	product := new(inf.Dec).Mul(q.AsDec(), factor)
	if _, err := strconv.ParseUint(current, 10, 64); err != nil || divides {
		unit = unitOf(product, q.Format)
	}
	whole := new(inf.Dec).QuoRound(product, unit, 0, inf.RoundCeil)
	scaled := *resource.NewDecimalQuantity(*whole.Mul(whole, unit), q.Format)
	if min != "" && max != "" {
		low, errLow := resource.ParseQuantity(min)
		high, errHigh := resource.ParseQuantity(max)
		if errLow == nil && errHigh == nil && low.Cmp(high) > 0 {
			return "", fmt.Errorf("nothing is between %s and %s: give the lower one first", min, max)
		}
	}
	for _, bound := range []struct {
		text string
		over int // the sign of scaled compared with the bound when it is over it
	}{{min, -1}, {max, 1}} {
		if bound.text == "" {
			continue
		}
		b, err := resource.ParseQuantity(bound.text)
		if err != nil {
			return "", fmt.Errorf("the bound %q is no quantity: %w", bound.text, err)
		}
		if scaled.Cmp(b) == bound.over {
			scaled = b
		}
	}
	if scaled.AsApproximateFloat64() > 1<<62 { // the API server keeps it in 64 bits
		return "", fmt.Errorf("%s times %v is more than a quantity can be", current, by)
	}
	q, err = resource.ParseQuantity(current) // AsDec changed how q is kept
	if err != nil {
		return "", err
	}
	if c := scaled.Cmp(q); c == 0 || (c > 0) != (by > 1) {
		return current, nil
	}
	return scaled.String(), nil
}

// unitOf is the unit that d is rounded to.
func unitOf(d *inf.Dec, format resource.Format) *inf.Dec {
	for _, u := range units[format] {
		if d.Cmp(u) >= 0 {
			return u
		}
	}
	return inf.NewDec(1, 3)
}

var units = map[resource.Format][]*inf.Dec{
	resource.BinarySI:  {inf.NewDec(1<<20, 0), inf.NewDec(1<<10, 0), inf.NewDec(1, 0)},
	resource.DecimalSI: {inf.NewDec(1_000_000, 0)},
}
