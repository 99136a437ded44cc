// Tell what the curves are at the pointer, read back from where they are drawn.
const number = (value) => {
  if (value && Math.abs(value) < 1e-3) return value.toExponential(1)
  return value.toLocaleString('en', { maximumSignificantDigits: 3, notation: Math.abs(value) < 1e4 ? 'standard' : 'compact' })
}

for (const svg of document.querySelectorAll('svg[data-steps]')) {
  const [firstStep, lastStep, left, right] = svg.dataset.steps.split(' ').map(Number)
  const [low, high, bottom, top] = svg.dataset.values.split(' ').map(Number)
  const told = svg.parentElement.querySelector('output')
  const unit = told.textContent
  const pointer = svg.querySelector('.pointer')
  const move = (x) => ['x1', 'x2'].forEach((end) => pointer.setAttribute(end, x))

  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect()
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width
    const found = [...svg.querySelectorAll('g')].map((curve) => {
      const points = [...curve.querySelector('polyline').points]
      const at = points.reduce((best, point) => (Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best))
      const value = low + ((at.y - bottom) / (top - bottom)) * (high - low)
      return { x: at.x, text: `${curve.dataset.name} ${number(value)}`.trim() }
    })
    const step = firstStep + ((found[0].x - left) / (right - left)) * (lastStep - firstStep)
    told.textContent = `step ${Math.round(step)}: ${found.map((one) => one.text).join(', ')}`
    move(found[0].x)
  })

  svg.addEventListener('pointerleave', () => {
    told.textContent = unit
    move(-1)
  })
}
