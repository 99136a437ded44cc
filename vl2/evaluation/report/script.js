// Show the answers of the chosen state and category.
for (const section of document.querySelectorAll('.wrong')) {
  const filters = [...section.querySelectorAll('select')]
  const answers = [...section.querySelectorAll('.answer')]
  const show = () => {
    for (const answer of answers) {
      answer.hidden = filters.some((f) => f.value && answer.dataset[f.name] !== f.value)
    }
    section.querySelector('output').textContent = `${answers.filter((a) => !a.hidden).length} shown`
  }
  for (const filter of filters) filter.addEventListener('change', show)
}
